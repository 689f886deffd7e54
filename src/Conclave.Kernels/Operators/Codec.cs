using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Between stored elements and binary32: embedding rows are widened, rows of the latent cache and of
/// exchanges between ranks are narrowed (nearest, ties to even).</summary>
public abstract class Codec
{
    /// <summary>Values that share a scale in <see cref="EncodeE4M3"/>.</summary>
    public const int ScaleBlock = 128;

    /// <summary>Decodes one row of a weight, with its block scales (each value rounded once, to binary32), on the calling thread.</summary>
    /// <exception cref="ArgumentException">The source is no weight or has no such row, or the row does not fit the destination.</exception>
    public abstract void Decode(TensorView source, nint row, Span<float> destination);

    /// <summary>Encodes binary32 values as F32, F16 or BF16 on the calling thread.</summary>
    /// <exception cref="ArgumentException">The format is none of these.</exception>
    public abstract unsafe void Encode(ReadOnlySpan<float> source, ElementFormat format, byte* destination);

    /// <summary>
    /// Encodes binary32 values as FP8 E4M3 with a scale for each 128 of them, on the calling thread: scale = max|x| ÷ 448 (1 where that is zero),
    /// code = the nearest of x ÷ scale, ties to even. This is the activation format of DeepSeek-V3 (section 3.3.2). A decoded value is off by at most
    /// max(2^−4 · |x|, 2^−10 · scale), but for the roundings of the division and the product to binary32.
    /// </summary>
    /// <param name="source">Any number of values; the last block may be shorter.</param>
    /// <param name="codes">As many bytes.</param>
    /// <param name="scales">⌈length ÷ 128⌉ scales.</param>
    public abstract unsafe void EncodeE4M3(ReadOnlySpan<float> source, byte* codes, float* scales);
}
