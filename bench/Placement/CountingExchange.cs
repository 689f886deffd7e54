using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Bench.Placements;

/// <summary>Counts the rows that the experts of a rank get, by layer.</summary>
internal sealed class CountingExchange(IExpertExchange inner, int layers) : IExpertExchange
{
    private int _layer;

    /// <summary>Rows by layer since they were last cleared.</summary>
    public long[] Rows { get; } = new long[layers];

    public ExchangeSlot CreateSlot(int maxTokens) => inner.CreateSlot(maxTokens);

    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        _layer = layer;
        inner.BeginDispatch(slot, layer, hidden, routing);
    }

    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        ExpertRows rows = inner.FinishDispatch(slot, out input);
        Rows[_layer] += rows.Count;
        return rows;
    }

    public void BeginCombine(ExchangeSlot slot, TensorView outputs) => inner.BeginCombine(slot, outputs);

    public void FinishCombine(ExchangeSlot slot, TensorView destination) => inner.FinishCombine(slot, destination);

    public void Progress() => inner.Progress();
}
