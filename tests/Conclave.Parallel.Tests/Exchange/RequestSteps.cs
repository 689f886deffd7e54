using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>A rank's model that computes requests one after the other, a step at a time: their prompts in chunks, then their last tokens as if they had been generated; behind the last one empty steps.</summary>
internal sealed class RequestSteps : IDisposable
{
    /// <summary>Logits that are kept of a request: behind its prompt and behind each generated token.</summary>
    public const int LogitsOfRequest = Generated + 1;

    private const int MaxTokens = 16;
    private const int Generated = 3;

    private readonly ForwardBatch _batch = new(MaxTokens, 1, 4);

    // What other ranks compute in a step: how many tokens it has is all that is looked at here.
    private readonly ForwardBatch _others = new(16 * MaxTokens, 1, 4);
    private readonly IEnumerator<int[]> _requests;
    private int _position;

    public RequestSteps(Checkpoint checkpoint, KernelSet kernels, WorkerTeam team, IEnumerable<int[]> requests, ExpertPartition? partition)
    {
        Model = new DeepSeekModel(checkpoint, kernels, team, new ModelOptions { CacheBlocks = 4, MaxTokensPerStep = MaxTokens, Experts = partition });
        _requests = requests.GetEnumerator();
        HasRequest = _requests.MoveNext();
    }

    public DeepSeekModel Model { get; }

    /// <summary>The bits of all logits so far.</summary>
    public List<uint[]> Logits { get; } = [];

    /// <summary>Whether the next step has tokens.</summary>
    public bool HasRequest { get; private set; }

    /// <summary>Random tokens: a prompt of some length and what follows it.</summary>
    public static int[] Tokens(Checkpoint checkpoint, int prompt, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, prompt + Generated).Select(_ => random.Next(checkpoint.Config.VocabularySize))];
    }

    /// <summary>Tokens of each step of a request.</summary>
    public static IEnumerable<int> TokensOfSteps(int[] request) =>
        [.. request.SkipLast(Generated).Chunk(MaxTokens).Select(chunk => chunk.Length), .. Enumerable.Repeat(1, Generated)];

    /// <summary>A request's logits on a single rank.</summary>
    public static uint[][] Alone(Checkpoint checkpoint, KernelSet kernels, int[] request)
    {
        using WorkerTeam team = new(1);
        using RequestSteps steps = new(checkpoint, kernels, team, [request], null);
        while (steps.HasRequest)
        {
            steps.Next();
        }

        return [.. steps.Logits];
    }

    /// <summary>Computes a step.</summary>
    /// <param name="tokensOfAll">Tokens of all ranks in it, by which it is divided; null: it is not. The partition must know of other ranks with tokens.</param>
    public void Next(int? tokensOfAll = null)
    {
        _batch.Clear();
        if (!HasRequest)
        {
            Assert.Equal(0, Forward(tokensOfAll).Rows);
            return;
        }

        int[] request = _requests.Current;
        int prompt = request.Length - Generated;
        int count = _position < prompt ? Math.Min(MaxTokens, prompt - _position) : 1;
        AttentionForm form = _position < prompt ? AttentionForm.Expanded : AttentionForm.Absorbed;
        _batch.Add(request.AsSpan(_position, count), _position, form, [0, 1, 2, 3], 1);
        TensorView result = Forward(tokensOfAll);
        _position += count;
        if (_position >= prompt)
        {
            Logits.Add(Array.ConvertAll(result.RowF32(0).ToArray(), BitConverter.SingleToUInt32Bits));
        }

        if (_position == request.Length)
        {
            _position = 0;
            HasRequest = _requests.MoveNext();
        }
    }

    public void Dispose()
    {
        _batch.Dispose();
        _others.Dispose();
        Model.Dispose();
        _requests.Dispose();
    }

    private TensorView Forward(int? tokensOfAll)
    {
        if (tokensOfAll is not { } all)
        {
            return Model.Forward(_batch);
        }

        _others.Clear();
        if (all > _batch.Count)
        {
            _others.Add(new int[all - _batch.Count], 0, AttentionForm.Expanded, [0, 1, 2, 3], 0);
        }

        return Model.Forward([_batch, _others]);
    }
}
