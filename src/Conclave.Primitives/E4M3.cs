namespace Conclave.Primitives;

/// <summary>
/// FP8 E4M3 of the OCP 8-bit floating point specification (section 5.1): one sign bit, four exponent bits with bias 7, three mantissa bits, no
/// infinities, largest finite value 448, codes 0x7F and 0xFF are NaN.
/// </summary>
public static class E4M3
{
    /// <summary>The largest finite value.</summary>
    public const float MaxValue = 448f;

    private const float TwoToThe120 = 1.329227995784916e36f;
    private const float SmallestNormal = 0.015625f;

    /// <summary>Exact value of a code: (−1)^s · 2^(e−7) · (1 + m/8), or (−1)^s · 2^−6 · m/8 where e = 0.</summary>
    public static float Decode(byte code)
    {
        if ((code & 0x7F) == 0x7F)
        {
            return float.NaN;
        }

        // The code's exponent and mantissa, put where a binary32 has them, read as the value times 2^-120; the product is exact.
        uint bits = ((code & 0x80u) << 24) | ((code & 0x7Fu) << 20);
        return BitConverter.UInt32BitsToSingle(bits) * TwoToThe120;
    }

    /// <summary>Nearest code, ties to even; magnitudes that round beyond 448 and infinities become ±448, NaN stays NaN.</summary>
    public static byte Encode(float value)
    {
        byte sign = (byte)(BitConverter.SingleToUInt32Bits(value) >> 31 << 7);
        if (float.IsNaN(value))
        {
            return (byte)(sign | 0x7F);
        }

        float magnitude = MathF.Abs(value);
        if (magnitude >= MaxValue)
        {
            return (byte)(sign | 0x7E);
        }

        if (magnitude < SmallestNormal)
        {
            // Subnormal codes count in steps of 2^-9; eight steps are the first normal code.
            return (byte)(sign | (int)MathF.Round(magnitude * 512f, MidpointRounding.ToEven));
        }

        uint bits = BitConverter.SingleToUInt32Bits(magnitude);
        bits += 0x7FFFFu + ((bits >> 20) & 1u);
        uint code = (bits >> 20) - ((127u - 7u) << 3);
        return (byte)(sign | Math.Min(code, 0x7Eu));
    }
}
