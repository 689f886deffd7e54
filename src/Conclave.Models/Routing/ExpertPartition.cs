namespace Conclave.Models;

/// <summary>Which experts a rank computes and how tokens get to them and to those of other ranks.</summary>
/// <param name="Exchange">Its rows come by the order of <paramref name="ExpertsOfLayer"/>.</param>
/// <param name="ExpertsOfLayer">
/// The experts of a layer that are here at first, by layer; no others are mapped (see <see cref="DeepSeekModel.MapExperts"/>). The MTP layer counts behind the last decoder layer.
/// </param>
/// <param name="BeginStep">
/// Told the model and the number of tokens of each step before it is computed: where ranks step together, whoever begins says so here to the others. It may have the model use other experts from this
/// step on. Null for ranks that are told.
/// </param>
/// <param name="DivideFrom">
/// Steps of at least so many tokens, those of all ranks together, are computed in two micro-batches, the exchange of one under the computation of the other, for which weights are read twice; the
/// same on all ranks. Null: no steps are.
/// </param>
/// <param name="EndSteps">Called once no step follows, before the model is freed: returns when nothing reads weights on another thread any more. Null where nothing does.</param>
public sealed record ExpertPartition(
    IExpertExchange Exchange, Func<int, IReadOnlyList<int>> ExpertsOfLayer, Action<DeepSeekModel, int>? BeginStep = null, int? DivideFrom = null, Action? EndSteps = null);
