using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>A gather whose failures are explained, as those of <see cref="ExplainedExchange"/> are.</summary>
internal sealed class ExplainedGather(IRankGather inner, RankConnection connection) : IRankGather
{
    /// <inheritdoc/>
    public void Gather(ReadOnlySpan<TensorView> parts)
    {
        try
        {
            inner.Gather(parts);
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
    }
}
