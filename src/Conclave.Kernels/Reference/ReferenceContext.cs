using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The cached tokens of a context segment.</summary>
internal static unsafe class ReferenceContext
{
    /// <summary>Widens the first <paramref name="count"/> tokens of a segment to binary32, exactly: [count, CacheDim].</summary>
    public static void Widen(in LatentPages pages, AttentionSpan span, int segment, int count, float* destination)
    {
        TensorView block = pages.Block(span.Block(segment));
        for (int t = 0; t < count; t++)
        {
            byte* source = block.RowPointer(t);
            for (int k = 0; k < pages.CacheDim; k++)
            {
                destination[((nint)t * pages.CacheDim) + k] =
                    pages.Format == ElementFormat.F32 ? ((float*)source)[k] : BFloat16.Decode(((ushort*)source)[k]);
            }
        }
    }

    /// <summary>How many positions of a segment a row sees that stands at <paramref name="position"/>.</summary>
    public static int Visible(int position, int segment) =>
        Math.Clamp(position + 1 - (segment * LatentPages.TokensPerBlock), 0, LatentPages.TokensPerBlock);
}
