using System.Diagnostics.Metrics;
using Conclave.Checkpoints;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>How many tokens each expert of each layer was given, those of other ranks too. Counted by the thread that computes; anybody may look.</summary>
public sealed class ExpertLoad : IForwardObserver
{
    private readonly long[][] _tokens;
    private readonly Func<int, ReadOnlySpan<long>>? _chosenElsewhere;

    /// <param name="config">The model.</param>
    /// <param name="chosenElsewhere">As in <see cref="ExpertPartition"/>.</param>
    internal ExpertLoad(ModelConfig config, Func<int, ReadOnlySpan<long>>? chosenElsewhere)
    {
        _tokens = [.. Enumerable.Range(0, config.Layers).Select(layer => new long[config.IsMoeLayer[layer] ? config.RoutedExperts : 0])];
        _chosenElsewhere = chosenElsewhere;
    }

    /// <summary>Number of layers.</summary>
    public int Layers => _tokens.Length;

    /// <summary>Tokens by expert; empty for a layer without experts. Those of other ranks come some seconds later.</summary>
    public ReadOnlySpan<long> Tokens(int layer)
    {
        if (_chosenElsewhere is null)
        {
            return _tokens[layer];
        }

        long[] sum = [.. _tokens[layer]];
        ReadOnlySpan<long> elsewhere = _chosenElsewhere(layer);
        for (int expert = 0; expert < sum.Length; expert++)
        {
            sum[expert] += elsewhere[expert];
        }

        return sum;
    }

    /// <summary>All counts, with the attributes layer and expert after those that all series have.</summary>
    internal IEnumerable<Measurement<long>> Measure(IReadOnlyList<KeyValuePair<string, object?>> labels)
    {
        for (int layer = 0; layer < _tokens.Length; layer++)
        {
            long[] tokens = Tokens(layer).ToArray();
            for (int expert = 0; expert < tokens.Length; expert++)
            {
                yield return new Measurement<long>(tokens[expert], [.. labels, new("layer", layer), new("expert", expert)]);
            }
        }
    }

    /// <inheritdoc/>
    void IForwardObserver.Embedding(TensorView hidden)
    {
    }

    /// <inheritdoc/>
    void IForwardObserver.LayerOutput(int layer, TensorView hidden)
    {
    }

    /// <inheritdoc/>
    void IForwardObserver.Routed(int layer, in Routing routing)
    {
        long[] tokens = _tokens[layer];
        for (int token = 0; token < routing.Tokens; token++)
        {
            foreach (int expert in routing.Experts(token))
            {
                if (expert >= 0)
                {
                    tokens[expert]++;
                }
            }
        }
    }
}
