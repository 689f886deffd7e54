namespace Conclave.Parallel.Exchange;

/// <summary>How an exchange writes the numbers of a row.</summary>
public enum PayloadFormat
{
    /// <summary>binary32, exact.</summary>
    F32,

    /// <summary>bfloat16: off by at most max(2^−8 · |x|, 2^−134).</summary>
    BF16,

    /// <summary>FP8 E4M3 with a scale for each 128 numbers: off by at most max(2^−4 · |x|, 2^−10 · scale), scale = max|x| ÷ 448.</summary>
    E4M3,
}
