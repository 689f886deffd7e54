using System.CommandLine;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Cli.Inspection;

namespace Conclave.Cli.Commands;

/// <summary>conclave inspect: what a checkpoint is, holds and needs.</summary>
internal static class InspectCommand
{
    private const int Damaged = 1;

    public static Command Create()
    {
        Argument<string> directory = ModelDirectory.Argument();
        Option<bool> tensors = new("--tensors") { Description = "List every tensor" };
        Option<bool> scan = new("--scan") { Description = "Read all tensors and look for elements that are no numbers (NaN codes in FP8 weights, NaN and infinity elsewhere); exit code 1 if there are any" };
        Option<bool> json = new("--json") { Description = "Write one JSON object" };
        CliCommand command = new(
            "inspect", "Describes a checkpoint: configuration, tensors, parameters, cache, memory that it needs.",
            ("conclave inspect models/fable", "what the bundled model is made of"),
            ("conclave inspect DeepSeek-V2-Lite --tensors", "with every tensor, its format and its shape"),
            ("conclave inspect DeepSeek-V3 --scan", "after a download: are all weights numbers?"),
            ("conclave inspect models/fable --json | jq .parameters", "for programs"))
        {
            directory, tensors, scan, json,
        };
        command.SetAction((result, cancellation) =>
        {
            string folder = ModelDirectory.Resolve(result.GetRequiredValue(directory));
            using Checkpoint checkpoint = ProgressBar.Opening(progress => Checkpoint.Open(folder, progress));
            IReadOnlyList<NanFinding>? findings = result.GetValue(scan) ? NanScan.Run(checkpoint, cancellation) : null;
            InspectionReport report = new(checkpoint, new CheckpointSummary(checkpoint), result.GetValue(tensors), findings);
            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(json))
            {
                report.WriteJson(output);
            }
            else
            {
                report.WriteText(output);
            }

            return Task.FromResult(findings is { Count: > 0 } ? Damaged : 0);
        });
        return command;
    }
}
