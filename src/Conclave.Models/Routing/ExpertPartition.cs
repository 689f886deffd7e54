namespace Conclave.Models;

/// <summary>Which experts a rank computes and how tokens get to them and to those of other ranks.</summary>
/// <param name="Exchange">Its rows come by the order of <paramref name="ExpertsOfLayer"/>.</param>
/// <param name="ExpertsOfLayer">
/// The experts of a layer that are here at first, by layer; no others are mapped (see <see cref="DeepSeekModel.MapExperts"/>). The MTP layer counts behind the last decoder layer.
/// </param>
/// <param name="BeginStep">
/// Told the number of tokens of each step before it is computed: where ranks step together, whoever begins says so here to the others. Null for ranks that are told.
/// </param>
public sealed record ExpertPartition(IExpertExchange Exchange, Func<int, IReadOnlyList<int>> ExpertsOfLayer, Action<int>? BeginStep = null);
