using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>An exchange whose failures are explained: a rank that sees another one leave does not know why, the coordinator may.</summary>
internal sealed class ExplainedExchange(RankedExchange inner, RankConnection connection) : IExpertExchange
{
    /// <inheritdoc/>
    public ExchangeSlot CreateSlot(int maxTokens) => inner.CreateSlot(maxTokens);

    /// <inheritdoc/>
    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        try
        {
            inner.BeginDispatch(slot, layer, hidden, routing);
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }

    /// <inheritdoc/>
    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        try
        {
            return inner.FinishDispatch(slot, out input);
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }

    /// <inheritdoc/>
    public void BeginCombine(ExchangeSlot slot, TensorView outputs)
    {
        try
        {
            inner.BeginCombine(slot, outputs);
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }

    /// <inheritdoc/>
    public void FinishCombine(ExchangeSlot slot, TensorView destination)
    {
        try
        {
            inner.FinishCombine(slot, destination);
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }

    /// <inheritdoc/>
    public void Progress()
    {
        try
        {
            inner.Progress();
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }
}
