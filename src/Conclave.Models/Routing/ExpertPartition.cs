namespace Conclave.Models;

/// <summary>Which experts a rank computes and how tokens get to them and to those of other ranks.</summary>
/// <param name="Exchange">Its rows come by the order of <paramref name="ExpertsOfLayer"/>.</param>
/// <param name="ExpertsOfLayer">
/// The experts of a layer that are here at first, by layer; no others are mapped (see <see cref="DeepSeekModel.MapExperts"/>). The MTP layer counts behind the last decoder layer.
/// </param>
public sealed record ExpertPartition(IExpertExchange Exchange, Func<int, IReadOnlyList<int>> ExpertsOfLayer);
