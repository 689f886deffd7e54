using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.ExchangeBench;

/// <summary>
/// An exchange that moves nothing and waits for nobody, to measure what computation costs alone: the experts of the rank get as many rows as they had in a real
/// exchange, all zero, and so are the results.
/// </summary>
/// <param name="offsetsByLayer">The offsets of the rows that the experts had, for each layer; null for layers without experts.</param>
/// <param name="hiddenSize">Numbers of a row.</param>
internal sealed class NullExchange(IReadOnlyList<int[]?> offsetsByLayer, int hiddenSize) : IExpertExchange
{
    /// <inheritdoc/>
    public ExchangeSlot CreateSlot(int maxTokens) => new Slot(offsetsByLayer.Max(offsets => offsets is null ? 0 : offsets[^1]), hiddenSize);

    /// <inheritdoc/>
    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing) => ((Slot)slot).Layer = layer;

    /// <inheritdoc/>
    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        Slot state = (Slot)slot;
        int[] offsets = offsetsByLayer[state.Layer]!;
        input = state.Zeros.SliceRows(0, offsets[^1]);
        return new ExpertRows(offsets, []);
    }

    /// <inheritdoc/>
    public void BeginCombine(ExchangeSlot slot, TensorView outputs)
    {
    }

    /// <inheritdoc/>
    public void FinishCombine(ExchangeSlot slot, TensorView destination)
    {
        for (nint row = 0; row < destination.Rows; row++)
        {
            destination.RowF32(row).Clear();
        }
    }

    /// <inheritdoc/>
    public void Progress()
    {
    }

    private sealed class Slot : ExchangeSlot
    {
        private readonly NativeBuffer _buffer;

        public Slot(int rows, int columns)
        {
            _buffer = NativeBuffer.ForF32(rows, columns, out TensorView zeros);
            Zeros = zeros;
            MaxRows = rows;
        }

        public override int MaxRows { get; }

        public TensorView Zeros { get; }

        public int Layer { get; set; }

        protected override void Dispose(bool disposing) => _buffer.Dispose();
    }
}
