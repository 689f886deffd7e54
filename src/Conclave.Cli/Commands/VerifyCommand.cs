using System.CommandLine;
using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Primitives;
using Spectre.Console;

namespace Conclave.Cli.Commands;

/// <summary>conclave verify: does a model compute what a reference implementation computed?</summary>
internal static class VerifyCommand
{
    private const int Missed = 1;

    public static Command Create()
    {
        Argument<string> directory = ModelDirectory.Argument();
        Option<string?> golden = new("--golden") { Description = "Outputs of the reference. Default: golden.safetensors in DIR", HelpName = "FILE" };
        Option<string?> dump = new("--dump") { Description = "Write what the one-chunk run computed, under the golden file's names", HelpName = "FILE.safetensors" };
        Option<bool> json = new("--json") { Description = "Write one JSON object" };
        ComputeOptions compute = new();
        CliCommand command = new(
            "verify", $"Compares every tensor of a golden file with what is computed here. Exit code 1 where experts or greedy tokens differ or an error exceeds {GoldenVerifier.Tolerance:0.####} of a tensor's standard deviation, 2 where the file holds what this model does not give.",
            ("conclave verify models/fable", "the bundled model against its golden outputs"),
            ("conclave verify models/fable --isa reference", "on another instruction set"),
            ("conclave verify DIR --golden FILE --dump mine.safetensors", "and keep what was computed"))
        {
            directory, golden, dump, json,
        };
        compute.AddTo(command, cache: false);
        command.SetAction((result, cancellation) =>
        {
            string folder = ModelDirectory.Resolve(result.GetRequiredValue(directory));
            using Checkpoint checkpoint = ProgressBar.Opening(progress => Checkpoint.Open(folder, progress));
            using GoldenFile file = new(result.GetValue(golden) ?? Golden(folder), checkpoint.Config.VocabularySize);
            using WorkerTeam team = new(compute.Threads(result));
            List<PromptOutputs> outputs = [];
            VerificationReport report = GoldenVerifier.Run(checkpoint, file, compute.Kernels(result), team, outputs, cancellation);
            if (result.GetValue(dump) is { } path)
            {
                GoldenWriter.Write(path, file.Prompts, outputs);
            }

            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(json))
            {
                JsonOutput.WriteLine(output, writer => WriteJson(writer, report), indented: true);
            }
            else
            {
                WriteTable(output, report);
            }

            return Task.FromResult(report.Passed ? 0 : Missed);
        });
        return command;
    }

    private static string Golden(string folder)
    {
        string file = Path.Combine(folder, "golden.safetensors");
        return File.Exists(file) ? file : throw new UserErrorException($"{file}: there is no such file; --golden names another one with outputs of the reference");
    }

    private static void WriteTable(TextWriter output, VerificationReport report)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in (string[])["run", "tensor", "count", "max error", "÷ std", "worst"])
        {
            table.AddColumn(column);
        }

        foreach (TensorErrors error in report.Errors)
        {
            table.AddRow(
                Markup.Escape(error.Run), Markup.Escape(error.Kind), $"{error.Tensors}", $"{error.MaxError:E2}", $"{error.MaxRelativeError:E2}",
                Markup.Escape(error.Worst));
        }

        Terminal.Formatted(output).Write(table);
        foreach (EqualityCount count in report.Equalities)
        {
            output.WriteLine($"{count.Run}: {count.Equal} of {count.Total} {count.What} equal{(count.FirstDifference.Length > 0 ? "; first difference: " + count.FirstDifference : "")}");
        }

        output.WriteLine($"{(report.Passed ? "passed" : "FAILED")} on {report.Isa}: errors up to {report.Tolerance:E0} of the standard deviation pass");
    }

    private static void WriteJson(Utf8JsonWriter json, VerificationReport report)
    {
        json.WriteStartObject();
        json.WriteBoolean("passed", report.Passed);
        json.WriteString("isa", report.Isa);
        json.WriteNumber("tolerance", report.Tolerance);
        json.WriteStartArray("errors");
        foreach (TensorErrors error in report.Errors)
        {
            json.WriteStartObject();
            json.WriteString("run", error.Run);
            json.WriteString("tensor", error.Kind);
            json.WriteNumber("count", error.Tensors);
            WriteError(json, "max_error", error.MaxError);
            WriteError(json, "max_relative_error", error.MaxRelativeError);
            json.WriteString("worst", error.Worst);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("equalities");
        foreach (EqualityCount count in report.Equalities)
        {
            json.WriteStartObject();
            json.WriteString("run", count.Run);
            json.WriteString("what", count.What);
            json.WriteNumber("equal", count.Equal);
            json.WriteNumber("total", count.Total);
            json.WriteString("first_difference", count.FirstDifference);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    // JSON has no infinity, which is what a NaN counts as.
    private static void WriteError(Utf8JsonWriter json, string name, double error)
    {
        if (double.IsFinite(error))
        {
            json.WriteNumber(name, error);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
