namespace Conclave.Primitives;

/// <summary>How one element of a tensor is stored. The names are those of the safetensors header.</summary>
public enum ElementFormat
{
    /// <summary>IEEE 754 binary64.</summary>
    F64,

    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a binary32.</summary>
    BF16,

    /// <summary>OCP FP8 E4M3 (no infinities; 0x7F and 0xFF are NaN).</summary>
    F8_E4M3,

    /// <summary>OCP FP8 E5M2.</summary>
    F8_E5M2,

    /// <summary>OCP MX scale: a power of two, 2^(code − 127).</summary>
    F8_E8M0,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>16-bit signed integer.</summary>
    I16,

    /// <summary>8-bit signed integer.</summary>
    I8,

    /// <summary>64-bit unsigned integer.</summary>
    U64,

    /// <summary>32-bit unsigned integer.</summary>
    U32,

    /// <summary>16-bit unsigned integer.</summary>
    U16,

    /// <summary>8-bit unsigned integer.</summary>
    U8,

    /// <summary>Boolean, one byte.</summary>
    BOOL,
}

/// <summary>Facts about <see cref="ElementFormat"/>.</summary>
public static class ElementFormats
{
    /// <summary>Bytes that one element takes.</summary>
    public static int Size(this ElementFormat format) => format switch
    {
        ElementFormat.F64 or ElementFormat.I64 or ElementFormat.U64 => 8,
        ElementFormat.F32 or ElementFormat.I32 or ElementFormat.U32 => 4,
        ElementFormat.F16 or ElementFormat.BF16 or ElementFormat.I16 or ElementFormat.U16 => 2,
        _ => 1,
    };

    /// <summary>True for the formats in which a weight matrix may be stored and multiplied: F32, F16, BF16 and FP8 E4M3.</summary>
    public static bool IsWeight(this ElementFormat format) =>
        format is ElementFormat.F32 or ElementFormat.F16 or ElementFormat.BF16 or ElementFormat.F8_E4M3;
}
