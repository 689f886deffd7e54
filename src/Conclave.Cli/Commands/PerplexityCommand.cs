using System.CommandLine;
using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Kernels;
using Conclave.Measurement;
using Conclave.Models;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Cli.Commands;

/// <summary>conclave perplexity: how well a model predicts a text.</summary>
internal static class PerplexityCommand
{
    private const int DefaultContext = 512;

    public static Command Create()
    {
        Argument<string> directory = ModelDirectory.Argument();
        Option<string> text = new("--text") { Description = "The text, UTF-8", HelpName = "FILE", Required = true };
        Option<int> context = new("--context") { Description = "Tokens of a window", HelpName = "N", DefaultValueFactory = _ => DefaultContext };
        Option<int?> stride = new("--stride") { Description = "Tokens from one window to the next. Default: the context", HelpName = "N" };
        Option<bool> json = new("--json") { Description = "Write one JSON object" };
        ComputeOptions compute = new();
        CliCommand command = new(
            "perplexity", "Measures the perplexity of a model on a text.",
            ("conclave perplexity models/fable --text models/fable/evaluation.txt", "the bundled model on its evaluation text"),
            ("conclave perplexity DIR --text FILE --context 2048 --stride 1024", "windows that overlap"))
        {
            directory, text, context, stride, json,
        };
        compute.AddTo(command, cache: false);
        command.SetAction((result, cancellation) =>
        {
            string folder = ModelDirectory.Resolve(result.GetRequiredValue(directory));
            int window = result.GetValue(context);
            using Checkpoint checkpoint = ProgressBar.Opening(progress => Checkpoint.Open(folder, progress));
            List<int> tokens = [];
            Tokenizer.Load(folder).Encode(TextFile.Read(result.GetRequiredValue(text)), tokens, addSpecialTokens: false, cancellation: cancellation);
            using WorkerTeam team = new(compute.Threads(result));
            using DeepSeekModel model = new(checkpoint, compute.Kernels(result), team, new ModelOptions
            {
                CacheBlocks = LatentCache.BlocksFor(Math.Clamp(window, 1, checkpoint.Config.MaxPositions)),
                MaxTokensPerStep = Math.Clamp(window, 1, DefaultContext),
            });
            PerplexityMeasurement measurement = Measurement(model, window, result.GetValue(stride) ?? window);
            PerplexityResult measured = ProgressBar.Run(
                "perplexity", (IProgress<double> progress) => measurement.Run(CollectionsMarshal.AsSpan(tokens), progress, cancellation), done => done);
            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(json))
            {
                JsonOutput.WriteLine(output, writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteNumber("perplexity", measured.Perplexity);
                    writer.WriteNumber("tokens", tokens.Count);
                    writer.WriteNumber("windows", measured.Windows);
                    writer.WriteNumber("scored", measured.Scored);
                    writer.WriteEndObject();
                });
            }
            else
            {
                output.WriteLine(
                    $"perplexity {measured.Perplexity:F4} over {measured.Scored} tokens in {measured.Windows} windows of {window} ({tokens.Count} tokens of text)");
            }

            return Task.FromResult(0);
        });
        return command;
    }

    // What it refuses it names as the options are named.
    private static PerplexityMeasurement Measurement(DeepSeekModel model, int context, int stride)
    {
        try
        {
            return new PerplexityMeasurement(model, context, stride);
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"--{e.Message}", e);
        }
    }
}
