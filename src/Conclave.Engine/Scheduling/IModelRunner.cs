using Conclave.Primitives;

namespace Conclave.Engine.Scheduling;

/// <summary>
/// What the engine has computed: the model behind its cache, or behind several, each with a plan of its own. A runner makes a plan's copies in their order, then computes its entries; the token
/// at a position sees all earlier positions of its sequence through the sequence's block table. It keeps nothing of a sequence beyond the cache.
/// </summary>
public interface IModelRunner : IDisposable
{
    /// <summary>Number of logits of a row.</summary>
    int VocabularySize { get; }

    /// <summary>Computes a step.</summary>
    /// <param name="plans">A plan for each cache, in the order of caches; at least one has an entry.</param>
    /// <returns>
    /// All <see cref="StepPlan.LogitRows"/> × <see cref="VocabularySize"/> in binary32, in the order of plans, entries and positions, until the next run.
    /// </returns>
    TensorView Run(params ReadOnlySpan<StepPlan> plans);
}
