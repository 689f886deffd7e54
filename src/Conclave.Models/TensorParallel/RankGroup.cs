using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// What a rank computes of a model and how it gets the rest (<see cref="AttentionPartition"/>): everything, where it is alone. A sum is never divided, so bits do not depend on the ranks.
/// </summary>
internal sealed class RankGroup
{
    // The shares of the output projection begin where neither a block of FP8 scales nor a panel of its rows is cut.
    private const int RowsOfBlock = 128;

    private readonly IRankGather? _gather;
    private readonly int _rank;
    private readonly int _ranks;
    private readonly int[] _valueStarts;
    private readonly int[] _outputStarts;
    private readonly TensorView[] _parts;

    /// <summary>Divides a model.</summary>
    /// <exception cref="UserErrorException">The ranks do not divide the heads.</exception>
    /// <exception cref="ArgumentException">The group has no such rank.</exception>
    public RankGroup(ModelConfig config, AttentionPartition? partition)
    {
        _gather = partition?.Gather;
        _rank = partition?.Rank ?? 0;
        _ranks = partition?.Ranks ?? 1;
        if ((uint)_rank >= (uint)_ranks)
        {
            throw new ArgumentException($"rank {_rank} of a group of {_ranks}", nameof(partition));
        }

        AttentionPartition.CheckRanks(config, _ranks);
        Heads = config.Heads / _ranks;
        int blocks = ((config.HiddenSize - 1) / RowsOfBlock) + 1;
        _valueStarts = Starts(rank => rank * Heads * config.ValueDim);
        _outputStarts = Starts(rank => Math.Min(Share(blocks, rank) * RowsOfBlock, config.HiddenSize));
        _parts = new TensorView[_ranks];
    }

    /// <summary>Heads of this rank.</summary>
    public int Heads { get; }

    /// <summary>The first head of this rank.</summary>
    public int FirstHead => _rank * Heads;

    /// <summary>The first row of the output projection that is this rank's.</summary>
    public int FirstOutput => _outputStarts[_rank];

    /// <summary>Rows of the output projection that are this rank's; may be none.</summary>
    public int Outputs => _outputStarts[_rank + 1] - FirstOutput;

    /// <summary>Most tokens that this rank has in feed-forward sublayers, of a step's tokens.</summary>
    public int MostTokens(int tokens) => (tokens + _ranks - 1) / _ranks;

    /// <summary>The values of this rank's heads.</summary>
    /// <param name="values">Of all heads [T, heads · value].</param>
    public TensorView OwnValues(TensorView values) => values.SliceColumns(_valueStarts[_rank], _valueStarts[_rank + 1] - _valueStarts[_rank]);

    /// <summary>Fills in the values of the other ranks' heads.</summary>
    public void GatherValues(TensorView values) => GatherColumns(values, _valueStarts);

    /// <summary>This rank's columns of the output projection's results.</summary>
    /// <param name="output">All columns [T, H].</param>
    public TensorView OwnOutputs(TensorView output) => output.SliceColumns(FirstOutput, Outputs);

    /// <summary>Fills in the other ranks' results of the output projection.</summary>
    public void GatherOutputs(TensorView output) => GatherColumns(output, _outputStarts);

    /// <summary>The tokens of a step, or of a micro-batch, for which this rank computes feed-forward sublayers.</summary>
    public Step OwnTokens(in Step step)
    {
        int first = Share(step.Tokens, _rank);
        return step with { FirstRow = step.FirstRow + first, Tokens = Share(step.Tokens, _rank + 1) - first };
    }

    /// <summary>Fills in the rows of the tokens that other ranks have computed.</summary>
    public void GatherTokens(TensorView rows)
    {
        if (_gather is null)
        {
            return;
        }

        for (int rank = 0; rank < _ranks; rank++)
        {
            int first = Share((int)rows.Rows, rank);
            _parts[rank] = rows.SliceRows(first, Share((int)rows.Rows, rank + 1) - first);
        }

        _gather.Gather(_parts);
    }

    private void GatherColumns(TensorView matrix, int[] starts)
    {
        if (_gather is null)
        {
            return;
        }

        for (int rank = 0; rank < _ranks; rank++)
        {
            _parts[rank] = matrix.SliceColumns(starts[rank], starts[rank + 1] - starts[rank]);
        }

        _gather.Gather(_parts);
    }

    private int[] Starts(Func<int, int> start) => [.. Enumerable.Range(0, _ranks + 1).Select(start)];

    /// <summary>Where a rank's contiguous part of so many things begins; as even as can be.</summary>
    private int Share(int things, int rank) => (int)WorkRange.Of(things, rank, _ranks).First;
}
