using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Between stored elements and binary32: embedding rows are widened, rows of the latent cache are narrowed (nearest, ties to even).</summary>
public abstract class Codec
{
    /// <summary>Decodes one row of a weight, with its block scales (each value rounded once, to binary32), on the calling thread.</summary>
    public abstract void Decode(TensorView source, nint row, Span<float> destination);

    /// <summary>Encodes binary32 values as F32, F16 or BF16 on the calling thread.</summary>
    /// <exception cref="ArgumentException">The format is none of these.</exception>
    public abstract unsafe void Encode(ReadOnlySpan<float> source, ElementFormat format, byte* destination);
}
