using System.CommandLine;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Conversion;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave synth: checkpoints of random weights in the released layout.</summary>
internal static class SynthCommand
{
    private const int BytesPerGigabyte = 1_000_000_000;

    public static Command Create()
    {
        Option<string> shape = new("--shape")
        {
            Description = $"Whose layers: {string.Join(", ", ReleasedShapes.Names)}", HelpName = "NAME", Required = true,
        };
        Option<int?> layers = new("--layers") { Description = "How many layers; default: all", HelpName = "N" };
        Option<int> mtp = new("--mtp-layers") { Description = "How many multi-token prediction layers; default: none", HelpName = "N" };
        Option<string> format = new("--format")
        {
            Description = "fp8 (with 128 × 128 block scales; embedding, head, norms and router in BF16, as released), bf16 or f32",
            DefaultValueFactory = _ => "fp8",
        };
        format.AcceptOnly("fp8", "bf16", "f32");
        Option<string> folder = new("--out") { Description = "The folder to write; it must not hold a checkpoint yet", HelpName = "DIR", Required = true };
        Option<ulong> seed = new("--seed") { Description = "Another seed makes other weights", HelpName = "S" };
        CliCommand command = new(
            "synth", "Writes a checkpoint of random weights in the released layout, to measure layers of full size without the released files.",
            ("conclave synth --shape deepseek-v2-lite --layers 9 --format fp8 --out /tmp/lite", "nine layers, about 5 GB"),
            ("conclave synth --shape deepseek-v3 --layers 4 --out /tmp/v3", "three dense layers and one with 256 experts, about 17 GB"),
            ("conclave synth --shape moonlight --layers 2 --format bf16 --out /tmp/moon", "two layers in BF16"))
        {
            shape, layers, mtp, format, folder, seed,
        };
        command.SetAction((result, cancellation) =>
        {
            string name = result.GetRequiredValue(shape);
            ModelConfig config = ReleasedShapes.Find(name, result.GetValue(layers), result.GetValue(mtp));
            ElementFormat elements = result.GetRequiredValue(format) switch
            {
                "fp8" => ElementFormat.F8_E4M3,
                "bf16" => ElementFormat.BF16,
                _ => ElementFormat.F32,
            };
            string directory = result.GetRequiredValue(folder);
            SyntheticSummary summary = ProgressBar.Run(
                $"writing {name}",
                progress => SyntheticCheckpoint.Write(config, elements, directory, result.GetValue(seed), progress: progress, cancellation: cancellation),
                static (SyntheticProgress done) => (double)done.Bytes / Math.Max(done.TotalBytes, 1));
            result.InvocationConfiguration.Output.WriteLine(
                $"{directory}: {summary.Parameters:N0} parameters, {(double)summary.Bytes / BytesPerGigabyte:F2} GB in {summary.Files.Count} file{(summary.Files.Count == 1 ? "" : "s")}");
            return Task.CompletedTask;
        });
        return command;
    }
}
