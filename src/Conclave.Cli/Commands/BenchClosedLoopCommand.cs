using System.CommandLine;
using System.Globalization;
using Conclave.Cli.Frame;
using Conclave.Engine;
using Conclave.Engine.Scheduling;
using Conclave.Kernels;
using Conclave.Measurement.Load;
using Conclave.Parallel.Launch;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench closed-loop: a row of `conclave bench ablation`, as rank 0 runs it.</summary>
internal static class BenchClosedLoopCommand
{
    private const int Rounds = 2;
    private const int PromptTokens = 16;
    private const int AnswerTokens = 16;

    public static Command Create(RankLeader? leader)
    {
        Argument<string> directory = ModelDirectory.Argument();
        Option<int> clients = new("--clients") { Description = "How many", HelpName = "N", Required = true };
        Option<int> requests = new("--requests") { Description = "Of all clients together, in each round", HelpName = "N", Required = true };
        Option<int> running = new("--max-running") { Description = "Most answers that are computed at a time", HelpName = "N", Required = true };
        Option<bool> separate = new("--separate-prepare") { Description = "Run the parts of the operator before attention one after the other" };
        Option<string> file = new("--out") { Description = "Where to write the median latency in milliseconds and the tokens a second of each round", HelpName = "FILE", Required = true };
        ComputeOptions compute = new(leader);
        Command command = new("closed-loop", "Measures an engine under clients of this process, each of which waits for its answer before it asks again.")
        {
            directory, clients, requests, running, separate, file,
        };
        compute.AddTo(command, cache: true);
        command.Hidden = true;
        command.SetAction(async (result, cancellation) =>
        {
            ClosedLoop loop = new(BenchCommand.Positive(result, clients), BenchCommand.Positive(result, requests), Rounds, PromptTokens, AnswerTokens);
            int maxRunning = BenchCommand.Positive(result, running);
            using LoadedModel model = compute.Load(result, ModelDirectory.Resolve(result.GetRequiredValue(directory)), options => options with
            {
                Contexts = maxRunning,
                Context = PromptTokens + AnswerTokens,
                Kernels = result.GetValue(separate) ? WithSeparatePrepare(options.Kernels) : options.Kernels,
            });
            using InferenceEngine engine = new(model, new EngineOptions { MaxRunning = maxRunning, PrefixReuse = PrefixReuse.None });
            ClosedLoopResult measured = await loop.RunAsync(engine, model.Model.Config.VocabularySize, cancellation);
            IEnumerable<string> numbers = measured.Rates.Prepend(measured.MedianLatency).Select(number => number.ToString(CultureInfo.InvariantCulture));
            await File.WriteAllTextAsync(result.GetRequiredValue(file), string.Join(' ', numbers), cancellation);
        });
        return command;
    }

    private static KernelSet WithSeparatePrepare(KernelSet set) =>
        set with { MlaPrepare = new SequentialMlaPrepare(set.MatMul, set.RmsNorm, set.Rotary, set.Codec) };
}
