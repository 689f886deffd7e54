using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>The experts that a rank computes and their weights, by layer: one for each of its slots. Immutable; the weights lie in the mapped checkpoint, which must stay open.</summary>
public sealed class ExpertTable
{
    private readonly IReadOnlyList<int>[] _experts;
    private readonly MlpWeights[][] _weights;

    private ExpertTable(IReadOnlyList<int>[] experts, MlpWeights[][] weights)
    {
        _experts = experts;
        _weights = weights;
    }

    /// <summary>The experts of a layer that are here; empty for a layer without.</summary>
    public IReadOnlyList<int> Experts(int layer) => _experts[layer];

    /// <summary>
    /// Reads the experts that another table does not have into memory, so that their first use finds them there. Takes as long as the disk; meant for another thread than the one
    /// that computes.
    /// </summary>
    /// <param name="present">The table in use.</param>
    public void Load(ExpertTable present) => ForEachBeyond(present, MappedPages.Load);

    /// <summary>Tells the system that the experts that another table does not have are no longer in use: where memory is short, they go first.</summary>
    /// <param name="present">The table in use.</param>
    public void Release(ExpertTable present) => ForEachBeyond(present, MappedPages.Release);

    /// <summary>Bytes of the weights of those experts that another table does not have.</summary>
    public long BytesBeyond(ExpertTable present)
    {
        long bytes = 0;
        ForEachBeyond(present, weight => bytes += weight.ByteLength);
        return bytes;
    }

    internal ReadOnlySpan<MlpWeights> Weights(int layer) => _weights[layer];

    internal static ExpertTable Map(WeightSource weights, ModelConfig config, int layers, Func<int, IReadOnlyList<int>> expertsOfLayer)
    {
        IReadOnlyList<int>[] experts = new IReadOnlyList<int>[layers];
        MlpWeights[][] mapped = new MlpWeights[layers][];
        for (int layer = 0; layer < layers; layer++)
        {
            bool hasExperts = config.RoutedExperts > 0 && (layer >= config.Layers || config.IsMoeLayer[layer]);
            experts[layer] = hasExperts ? expertsOfLayer(layer) : [];
            mapped[layer] = hasExperts ? weights.Experts($"model.layers.{layer}.mlp.experts", config, experts[layer]) : [];
        }

        return new ExpertTable(experts, mapped);
    }

    private void ForEachBeyond(ExpertTable present, Action<TensorView> apply)
    {
        for (int layer = 0; layer < _experts.Length; layer++)
        {
            for (int i = 0; i < _experts[layer].Count; i++)
            {
                if (!present._experts[layer].Contains(_experts[layer][i]))
                {
                    MlpWeights weights = _weights[layer][i];
                    apply(weights.Gate);
                    apply(weights.Up);
                    apply(weights.Down);
                }
            }
        }
    }
}
