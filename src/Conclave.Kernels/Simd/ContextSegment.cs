using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The cached tokens of a context segment.</summary>
internal static unsafe class ContextSegment<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>
    /// The first <paramref name="count"/> tokens in binary32, one after the other: where they lie, or widened into <paramref name="room"/>. Rows behind
    /// them are never read: they may hold anything.
    /// </summary>
    public static float* Tokens(in LatentPages pages, AttentionSpan span, int segment, int count, float* room)
    {
        TensorView block = pages.Block(span.Block(segment));
        if (pages.Format == ElementFormat.F32)
        {
            return block.PointerF32(0);
        }

        SimdCodec<TSimd, TVector>.DecodeBF16((ushort*)block.RowPointer(0), room, (nint)count * pages.CacheDim);
        return room;
    }
}
