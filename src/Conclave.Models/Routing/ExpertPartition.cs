using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>Which experts a rank computes and how tokens get to them and to those of other ranks.</summary>
/// <param name="Exchange">Its rows come by the order of <paramref name="ExpertsOfLayer"/>.</param>
/// <param name="ExpertsOfLayer">
/// The experts of a layer that are here at first, by layer; no others are mapped (see <see cref="DeepSeekModel.MapExperts"/>). The MTP layer counts behind the last decoder layer.
/// </param>
/// <param name="BeginStep">
/// Told the model and the batches of each step before it is computed, this rank's first: where ranks step together, whoever begins says so here to the others and hands them theirs. It may have the
/// model use other experts from this step on. Null for ranks that are told.
/// </param>
/// <param name="DivideFrom">
/// Steps of at least so many tokens, those of all ranks together, are computed in two micro-batches, the exchange of one under the computation of the other, for which weights are read twice; the
/// same on all ranks. Null: no steps are.
/// </param>
/// <param name="DataRanks">Ranks that have tokens of their own, each with a cache, or groups of them that divide attention (<see cref="AttentionPartition"/>); this one begins their steps. 1: no other has.</param>
/// <param name="ReceiveHidden">
/// Called at the end of a step of which other ranks' batches want logits: fills [their rows, H] with the hidden states after the final norm of the rows whose logits are wanted, in the order of batches.
/// </param>
/// <param name="EndSteps">Called once no step follows, before the model is freed: returns when nothing reads weights on another thread any more. Null where nothing does.</param>
/// <param name="ChosenElsewhere">
/// How often tokens of other ranks chose each expert of a layer, as far as they have told; empty for a layer without experts. Any thread may ask. Null where no other rank has tokens.
/// </param>
public sealed record ExpertPartition(
    IExpertExchange Exchange,
    Func<int, IReadOnlyList<int>> ExpertsOfLayer,
    Action<DeepSeekModel, ReadOnlySpan<ForwardBatch>>? BeginStep = null,
    int? DivideFrom = null,
    int DataRanks = 1,
    Action<TensorView>? ReceiveHidden = null,
    Action? EndSteps = null,
    Func<int, ReadOnlySpan<long>>? ChosenElsewhere = null);
