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

    /// <summary>The tokens of some segments in binary32: where they lie, or widened into <paramref name="room"/>.</summary>
    /// <param name="pages">The cache.</param>
    /// <param name="span">Whose tokens.</param>
    /// <param name="firstSegment">The first token's segment.</param>
    /// <param name="count">Tokens; of the last segment perhaps not all.</param>
    /// <param name="room">Room for as many tokens.</param>
    /// <param name="sources">Room for as many numbers.</param>
    public static InputRows Rows(in LatentPages pages, AttentionSpan span, int firstSegment, int count, float* room, int* sources)
    {
        const int Segment = LatentPages.TokensPerBlock;
        for (int first = 0; first < count; first += Segment)
        {
            int segment = firstSegment + (first / Segment);
            int tokens = int.Min(Segment, count - first);
            if (pages.Format != ElementFormat.F32)
            {
                _ = Tokens(pages, span, segment, tokens, room + ((nint)first * pages.CacheDim));
                continue;
            }

            for (int token = 0; token < tokens; token++)
            {
                sources[first + token] = checked((span.Block(segment) * Segment) + token);
            }
        }

        return pages.Format == ElementFormat.F32
            ? new InputRows((nint)pages.Block(0).PointerF32(0), pages.CacheDim, (nint)sources)
            : new InputRows((nint)room, pages.CacheDim);
    }
}
