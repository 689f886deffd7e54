using Conclave.Engine.Scheduling;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>Computes steps with a <see cref="DeepSeekModel"/>, whose cache, and those of the other ranks that have tokens, it uses alone.</summary>
public sealed class DeepSeekRunner : IModelRunner
{
    private readonly DeepSeekModel _model;
    private readonly ForwardBatch[] _batches;
    private readonly IForwardObserver? _observer;

    /// <summary>Prepares for steps of a model.</summary>
    /// <param name="model">The model, which must outlive this.</param>
    /// <param name="maxRunning">Most sequences of a step.</param>
    /// <param name="contextLength">Most tokens of a sequence.</param>
    /// <param name="observer">Who looks at intermediate tensors, if anybody.</param>
    public DeepSeekRunner(DeepSeekModel model, int maxRunning, int contextLength, IForwardObserver? observer = null)
    {
        _model = model;
        _observer = observer;

        // A sequence that is computed again may stand in a step with the end of its prompt and the begin of its answer.
        int tables = checked(2 * maxRunning * LatentCache.BlocksFor(contextLength));
        _batches = [.. Enumerable.Range(0, model.DataRanks).Select(_ => new ForwardBatch(model.Options.MaxTokensPerStep, maxRunning, tables))];
    }

    /// <inheritdoc/>
    public int VocabularySize => _model.Config.VocabularySize;

    /// <inheritdoc/>
    public TensorView Run(params ReadOnlySpan<StepPlan> plans)
    {
        for (int i = 0; i < plans.Length; i++)
        {
            ForwardBatch batch = _batches[i];
            batch.Clear();
            foreach (ref readonly BlockCopy copy in plans[i].Copies)
            {
                batch.Copy(copy);
            }

            foreach (ref readonly StepEntry entry in plans[i].Entries)
            {
                batch.Add(entry.Tokens, entry.First, entry.Form, entry.Sequence.Blocks, entry.Logits);
            }
        }

        return _model.Forward(_batches.AsSpan(0, plans.Length), _observer);
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(_batches, batch => batch.Dispose());
}
