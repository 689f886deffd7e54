using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// Brings tokens to the experts that were chosen for them and the experts' outputs back. Each way is split in two halves, so that something else (the
/// shared expert, another micro-batch) can be computed while tokens travel. The model never knows where experts are.
/// </summary>
public interface IExpertExchange
{
    /// <summary>A slot for one micro-batch in flight.</summary>
    /// <param name="maxTokens">Most tokens of a micro-batch.</param>
    ExchangeSlot CreateSlot(int maxTokens);

    /// <summary>Starts to send the tokens; <paramref name="hidden"/> must not change before the combine has finished.</summary>
    /// <param name="slot">The micro-batch.</param>
    /// <param name="layer">Which layer's experts.</param>
    /// <param name="hidden">[T, H] F32.</param>
    /// <param name="routing">The experts of each token.</param>
    void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing);

    /// <summary>Waits for the rows that this rank's experts have to compute.</summary>
    /// <param name="slot">The micro-batch.</param>
    /// <param name="input">[rows, H] F32: what the sources of the rows count.</param>
    /// <returns>Rows by expert of this rank.</returns>
    ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input);

    /// <summary>Starts to return the experts' outputs.</summary>
    /// <param name="slot">The micro-batch.</param>
    /// <param name="outputs">[rows, H] F32, in the order of the rows of <see cref="FinishDispatch"/>.</param>
    void BeginCombine(ExchangeSlot slot, TensorView outputs);

    /// <summary>Waits for all outputs: destination[t] = Σ_e weight(t, e) · output(t, e), summed in expert order.</summary>
    /// <param name="slot">The micro-batch.</param>
    /// <param name="destination">[T, H] F32, overwritten.</param>
    void FinishCombine(ExchangeSlot slot, TensorView destination);

    /// <summary>Carries on what is under way, without waiting: for the pauses of a computation under which tokens travel.</summary>
    void Progress();
}

/// <summary>What an exchange keeps for one micro-batch between the halves of its ways.</summary>
public abstract class ExchangeSlot : IDisposable
{
    /// <summary>Most rows that the experts of this rank may have to compute.</summary>
    public abstract int MaxRows { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the slot owns.</summary>
    protected abstract void Dispose(bool disposing);
}
