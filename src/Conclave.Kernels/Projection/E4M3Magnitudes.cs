namespace Conclave.Kernels;

/// <summary>
/// How the loops read the seven bits of an E4M3 code's magnitude: moved to the bits 20 … 26 of a binary32 they are the value divided by 2^120, or, where
/// multiplying a binary32 subnormal would be slow (<see cref="Subnormals"/>), as eight bits at 20 … 27 that are the value divided by 2^117. Sums are exact in the sense of binary32
/// while x · scale stays below 2^44 and no product that matters is below 2^-89.
/// </summary>
internal static class E4M3Magnitudes
{
    /// <summary>2^83: activations carry it so that products stay in the middle of binary32's range.</summary>
    public const float InputFactor = 9671406556917033397649408f;

    /// <summary>2^80: the same for weights whose subnormals were normalized.</summary>
    public const float NormalizedInputFactor = 1208925819614629174706176f;

    /// <summary>2^37.</summary>
    public const float OutputFactor = 137438953472f;

    /// <summary>What is added to the magnitudes 0 … 7, zero and the subnormals, which become normal: 0, 7, 14, 17, 20, 21, 22, 23, a byte each.</summary>
    public const ulong OffsetsBelow8 = 0x17161514110E0700;

    /// <summary>What is added to all others: 24.</summary>
    public const ulong OffsetsFrom8 = 0x1818181818181818;
}
