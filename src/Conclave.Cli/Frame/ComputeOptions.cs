using System.CommandLine;
using Conclave.Checkpoints;
using Conclave.Engine;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>How a command computes: --isa, --threads, for those that keep a conversation's cache --context and --cache-format, and for those that compute prompts --max-batched-tokens.</summary>
/// <param name="leader">Where the command runs over many ranks, the one that it is; null: alone.</param>
internal sealed class ComputeOptions(RankLeader? leader = null)
{
    private const string IsaVariable = "CONCLAVE_ISA";
    private const string EverySet = "all";
    private const int MostThreads = WorldPlan.MostThreads;

    // Activations of a step stay allocated: at V3's size some 400 KB for a token.
    private const int MostTokensPerStep = 16384;

    private readonly Option<string?> _isa = new("--isa")
    {
        Description = $"Instruction set: {string.Join(", ", KernelSet.Supported.ToArray().Select(set => set.Name))}. Default: {IsaVariable}, or else the fastest",
        HelpName = "NAME",
    };

    private readonly Option<int?> _threads = new("--threads") { Description = "Threads that compute. Default: one for each core, or of a container's quota of cores, rounded up", HelpName = "N" };

    private readonly Option<int?> _context = new("--context")
    {
        Description = $"Most tokens of prompt and answer together. Default: the model's, at most {LoadOptions.DefaultContext}",
        HelpName = "N",
    };

    private readonly Option<string> _cacheFormat = new("--cache-format")
    {
        Description = "How the latent cache stores numbers: f32 or bf16",
        HelpName = "FORMAT",
        DefaultValueFactory = _ => "f32",
    };

    private readonly Option<int?> _tokensPerStep = new("--max-batched-tokens")
    {
        Description = $"Most tokens of a step, of prompts and answers together: fewer make the pauses of answers beside long prompts shorter. Default: {ModelOptions.DefaultTokensPerStep}",
        HelpName = "N",
    };

    private int Teams => leader?.Plan.Ranks ?? 1;

    /// <summary>Adds --isa and --threads, with <paramref name="cache"/> the options of the cache, with <paramref name="steps"/> the size of steps, and with <paramref name="everySet"/> --isa all.</summary>
    public void AddTo(Command command, bool cache, bool steps = false, bool everySet = false)
    {
        if (everySet)
        {
            _isa.Description += $"; {EverySet}: one after the other";
        }

        command.Add(_isa);
        command.Add(_threads);
        if (steps)
        {
            command.Add(_tokensPerStep);
        }

        if (cache)
        {
            _cacheFormat.AcceptOnly("f32", "bf16");
            command.Add(_context);
            command.Add(_cacheFormat);
        }
    }

    /// <summary>The instruction set that was asked for.</summary>
    public KernelSet Kernels(ParseResult result)
    {
        if (AskedSet(result) is not { } asked)
        {
            return leader is null ? KernelSet.Best : KernelSet.Find(leader.Plan.InstructionSet);
        }

        try
        {
            return KernelSet.Find(asked.Name);
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"{asked.Where}: {e.Message}", e);
        }
    }

    /// <summary>The instruction sets that were asked for, where a command runs on more than one.</summary>
    public KernelSet[] KernelSets(ParseResult result) =>
        EverySet.Equals(AskedSet(result)?.Name, StringComparison.OrdinalIgnoreCase) ? KernelSet.Supported.ToArray() : [Kernels(result)];

    /// <summary>The threads that were asked for.</summary>
    public int Threads(ParseResult result) => result.GetValue(_threads) is { } threads
        ? NumberOptions.InRange(_threads.Name, threads, 1, MostThreads)
        : leader?.Plan.Threads ?? WorkerTeam.DefaultThreads;

    /// <summary>Most tokens of a step.</summary>
    public int TokensPerStep(ParseResult result) => NumberOptions.InRange(
        _tokensPerStep.Name, result.GetValue(_tokensPerStep) ?? ModelOptions.DefaultTokensPerStep, 1, MostTokensPerStep);

    /// <summary>The threads that compute.</summary>
    public WorkerTeam Team(ParseResult result) => new(Threads(result), Teams);

    /// <summary>A model's options with this rank's part of it, where it is computed by many ranks.</summary>
    public ModelOptions Divide(string directory, ModelConfig config, KernelSet kernels, WorkerTeam team, ModelOptions options) =>
        leader?.Join(directory, config, kernels, team, options) ?? options;

    /// <summary>Loads a model directory, with a progress bar on the terminal if that takes more than a second.</summary>
    /// <param name="result">The arguments.</param>
    /// <param name="directory">The folder.</param>
    /// <param name="adjust">Adds what only the command knows; may be null.</param>
    public LoadedModel Load(ParseResult result, string directory, Func<LoadOptions, LoadOptions>? adjust = null)
    {
        LoadOptions options = new()
        {
            Kernels = Kernels(result),
            Threads = Threads(result),
            Teams = Teams,
            Caches = leader is null ? 1 : leader.Plan.DataParallel * leader.Plan.TensorParallel,
            Divide = leader is null ? null : (config, kernels, team, model) => leader.Join(directory, config, kernels, team, model),
            Context = result.GetValue(_context),
            TokensPerStep = TokensPerStep(result),
            CacheFormat = result.GetRequiredValue(_cacheFormat) == "bf16" ? ElementFormat.BF16 : ElementFormat.F32,
        };
        options = adjust?.Invoke(options) ?? options;
        return ProgressBar.Opening(progress => LoadedModel.Open(directory, options, progress));
    }

    /// <summary>The instruction set that the option or else the variable names, and which of them.</summary>
    private (string Where, string Name)? AskedSet(ParseResult result)
    {
        string? variable = Environment.GetEnvironmentVariable(IsaVariable);
        return result.GetValue(_isa) is { } name ? (_isa.Name, name)
            : !string.IsNullOrEmpty(variable) ? (IsaVariable, variable)
            : null;
    }
}
