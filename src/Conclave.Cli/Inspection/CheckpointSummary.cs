using Conclave.Checkpoints;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Cli.Inspection;

/// <summary>Tensors of one kind in one format.</summary>
internal sealed record TensorGroup(TensorKind Kind, ElementFormat Format, bool AreScales, int Tensors, long Elements, long Bytes);

/// <summary>What a checkpoint holds and what it takes to run it; everything follows from its configuration and its tensors' headers.</summary>
internal sealed class CheckpointSummary
{
    // Activations of a step of 512 tokens, some 400 KB each at V3's size, and the runtime.
    private const long WorkingMemory = 300_000_000;
    private readonly ModelConfig _config;

    public CheckpointSummary(Checkpoint checkpoint)
    {
        _config = checkpoint.Config;
        Groups = [.. checkpoint.Tensors
            .GroupBy(tensor => (Kind: TensorKinds.Of(tensor.Name, _config), tensor.Format, AreScales: ScaleNames.TensorOf(tensor.Name) is not null))
            .OrderBy(group => group.Key.Kind).ThenBy(group => group.Key.AreScales).ThenBy(group => group.Key.Format)
            .Select(group => new TensorGroup(
                group.Key.Kind, group.Key.Format, group.Key.AreScales, group.Count(), group.Sum(Elements), group.Sum(tensor => (long)tensor.Bytes)))];
        Bytes = Groups.Sum(group => group.Bytes);
    }

    /// <summary>The tensors by kind and format.</summary>
    public IReadOnlyList<TensorGroup> Groups { get; }

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes { get; }

    /// <summary>Parameters of the model without its MTP layers. Scales are not parameters.</summary>
    public long Parameters => Groups.Where(group => group.Kind != TensorKind.MtpLayers).Sum(Weights);

    /// <summary>Parameters of the MTP layers.</summary>
    public long MtpParameters => Groups.Where(group => group.Kind == TensorKind.MtpLayers).Sum(Weights);

    /// <summary>Parameters that one token meets: all of the model but the experts that are not chosen, embedding and head counted whole.</summary>
    public long ActiveParameters => Groups.Sum(group => Active(group.Kind, Weights(group)));

    /// <summary>Bytes of weights that one token reads in generation; of the embedding only its row.</summary>
    public long ActiveBytes => Groups.Sum(group => group.Kind == TensorKind.Embedding && !HeadIsEmbedding ? 0 : Active(group.Kind, group.Bytes));

    /// <summary>Bytes that the cache keeps of one token in a format.</summary>
    public long CacheBytesPerToken(ElementFormat format) => LatentCache.BytesPerToken(_config, format);

    /// <summary>Weights, a cache in binary32 for that many tokens, and room to work.</summary>
    public long MemoryFor(int tokens) => Bytes + (tokens * CacheBytesPerToken(ElementFormat.F32)) + WorkingMemory;

    private bool HeadIsEmbedding => !Groups.Any(group => group.Kind == TensorKind.OutputHead);

    private static long Elements(StoredTensor tensor)
    {
        long elements = 1;
        foreach (nint side in tensor.Shape)
        {
            elements *= side;
        }

        return elements;
    }

    private static long Weights(TensorGroup group) => group.AreScales ? 0 : group.Elements;

    private long Active(TensorKind kind, long amount) => kind switch
    {
        TensorKind.MtpLayers => 0,
        TensorKind.RoutedExperts when _config.RoutedExperts > 0 => (long)((decimal)amount * _config.ExpertsPerToken / _config.RoutedExperts),
        _ => amount,
    };
}
