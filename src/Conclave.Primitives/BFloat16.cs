namespace Conclave.Primitives;

/// <summary>bfloat16: the upper 16 bits of a binary32 (8 exponent bits, 7 mantissa bits).</summary>
public static class BFloat16
{
    /// <summary>Exact value of a code.</summary>
    public static float Decode(ushort code) => BitConverter.UInt32BitsToSingle((uint)code << 16);

    /// <summary>Nearest code, ties to even; NaN becomes the quiet NaN of its sign.</summary>
    public static ushort Encode(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
        {
            return (ushort)((bits >> 16) | 0x0040u);
        }

        return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
    }
}
