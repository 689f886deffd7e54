using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>How the weights of a group become four vectors, and the order of elements that this implies.</summary>
internal unsafe interface IAvx2Weights
{
    /// <summary>
    /// Into how many vectors neighbouring elements go: 1, 2 or 4. Each run of that many vectors holds the elements of its part of the group in turn: its vector j
    /// has the elements j, j + Interleaving, j + 2 · Interleaving, …
    /// </summary>
    static abstract int Interleaving { get; }

    /// <summary>What activations are multiplied by (a power of two) where weights come from <see cref="TryLoad"/>.</summary>
    static abstract float InputFactor { get; }

    /// <summary>The same for weights from <see cref="Load"/>.</summary>
    static abstract float LoadInputFactor { get; }

    /// <summary>What sums are multiplied by (a power of two).</summary>
    static abstract float OutputFactor { get; }

    /// <summary>See <see cref="IProjectionLoops.MostClassInputs"/>: the fewer the longer decoding takes.</summary>
    static abstract int MostClassInputs { get; }

    /// <summary>Whether loops may take two groups in a step: decoding has one way only, since two of two ways are more than the JIT puts in line, and leaves registers for a tile's sums.</summary>
    static abstract bool IsShort { get; }

    /// <summary>What <see cref="Load"/> and <see cref="TryLoad"/> are given, once for a loop.</summary>
    static abstract Avx2Masks Masks();

    /// <summary>Decodes a group.</summary>
    static abstract void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);

    /// <summary>
    /// Decodes a group on a shorter way that most weights can go. Returns false, with undefined vectors, where one of them cannot: then <see cref="Load"/>
    /// gives them all, multiplied by InputFactor ÷ LoadInputFactor.
    /// </summary>
    static abstract bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);

    /// <summary>A bit for each weight of a group, in the order of memory: whether it cannot go the shorter way. All go it where both input factors are one.</summary>
    static abstract ulong Small(byte* p);
}

/// <summary>Constants of decoding, in registers, where they stay: the JIT, which would load constants that it knows again for each group, is not told them.</summary>
internal readonly struct Avx2Masks(Vector256<short> field, Vector256<uint> upper)
{
    /// <summary>Where the sign and the magnitude of an E4M3 code lie in half of a binary32.</summary>
    public Vector256<short> Field { get; } = field;

    /// <summary>The upper halves of binary32 values.</summary>
    public Vector256<uint> Upper { get; } = upper;

    /// <summary>All of them.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Avx2Masks Held() => new(Vector256.Create(unchecked((short)0x87F0)), Vector256.Create(0xFFFF0000u));
}

internal readonly unsafe struct Avx2F32 : IAvx2Weights
{
    public static int Interleaving => 1;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 24;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Masks Masks() => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Load(p, masks, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        v0 = Avx.LoadVector256((float*)p);
        v1 = Avx.LoadVector256((float*)p + 8);
        v2 = Avx.LoadVector256((float*)p + 16);
        v3 = Avx.LoadVector256((float*)p + 24);
    }

    public static ulong Small(byte* p) => 0;
}

internal readonly unsafe struct Avx2BF16 : IAvx2Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 24;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Masks Masks() => Avx2Masks.Held();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Load(p, masks, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Vector256<uint> words = Avx.LoadVector256((uint*)p);
        v0 = Avx2.ShiftLeftLogical(words, 16).AsSingle();
        v1 = Avx2.And(words, masks.Upper).AsSingle();
        words = Avx.LoadVector256((uint*)p + 8);
        v2 = Avx2.ShiftLeftLogical(words, 16).AsSingle();
        v3 = Avx2.And(words, masks.Upper).AsSingle();
    }

    public static ulong Small(byte* p) => 0;
}

internal readonly unsafe struct Avx2F16 : IAvx2Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 10;

    public static bool IsShort => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Masks Masks() => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Load(p, masks, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Vector256<uint> words = Avx.LoadVector256((uint*)p);
        v0 = Decode(Avx2.ShiftLeftLogical(words, 16));
        v1 = Decode(words);
        words = Avx.LoadVector256((uint*)p + 8);
        v2 = Decode(Avx2.ShiftLeftLogical(words, 16));
        v3 = Decode(words);
    }

    /// <summary>
    /// Decodes the upper half of each element. With a the magnitude read as if it had an implicit one, a normal value is a and a subnormal one
    /// 2a − 2^-14; each is the smaller of the two, and no binary32 subnormal, which would cost a microcode assist, appears.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Decode(Vector256<uint> upper)
    {
        Vector256<uint> magnitude = Avx2.ShiftRightLogical(Avx2.And(upper, Vector256.Create(0x7FFF0000u)), 3);
        Vector256<float> normal = Avx2.Add(magnitude, Vector256.Create(112u << 23)).AsSingle();
        Vector256<float> subnormal = Fma.MultiplySubtract(normal, Vector256.Create(2f), Vector256.Create(6.103515625e-05f));
        Vector256<uint> value = Avx.Min(normal, subnormal).AsUInt32();
        return Avx2.Or(value, Avx2.And(upper, Vector256.Create(0x80000000u))).AsSingle();
    }

    public static ulong Small(byte* p) => 0;
}

/// <summary>E4M3 for machines that multiply subnormal numbers at full speed: zero and the codes of subnormals become subnormal binary32 numbers, as the others become normal ones.</summary>
internal readonly unsafe struct Avx2E4M3Subnormal : IAvx2Weights
{
    public static int Interleaving => 4;

    public static float InputFactor => E4M3Magnitudes.InputFactor;

    public static float LoadInputFactor => E4M3Magnitudes.InputFactor;

    public static float OutputFactor => E4M3Magnitudes.OutputFactor;

    public static int MostClassInputs => 16;

    public static bool IsShort => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Masks Masks() => Avx2Masks.Held();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Load(p, masks, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3) =>
        Decode(Avx.LoadVector256((short*)p), masks, out v0, out v1, out v2, out v3);

    /// <summary>Codes moved into place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(Vector256<short> codes, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Vector256<uint> even = Avx2.And(Avx2.ShiftRightArithmetic(Avx2.ShiftLeftLogical(codes, 8), 4), masks.Field).AsUInt32();
        Vector256<uint> odd = Avx2.And(Avx2.ShiftRightArithmetic(codes, 4), masks.Field).AsUInt32();
        Halves(even, odd, masks, out v0, out v1, out v2, out v3);
    }

    /// <summary>Binary32 values out of their upper halves, of the even and of the odd bytes, two in each element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Halves(
        Vector256<uint> even, Vector256<uint> odd, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        v0 = Avx2.ShiftLeftLogical(even, 16).AsSingle();
        v1 = Avx2.ShiftLeftLogical(odd, 16).AsSingle();
        v2 = Avx2.And(even, masks.Upper).AsSingle();
        v3 = Avx2.And(odd, masks.Upper).AsSingle();
    }

    public static ulong Small(byte* p) => 0;
}

/// <summary>
/// E4M3 for machines on which subnormal numbers are slow. The seven bits of a magnitude are the low end of a binary32's exponent and the top of its mantissa: moved there, they are value · 2^-120, and an
/// E4M3 subnormal is a binary32 subnormal, which would cost a microcode assist of a hundred cycles and more. Where a group has a code below 8, the
/// long way is taken: a table over those codes and one offset for the others turn the magnitude into eight bits that stand for value · 2^-117, subnormals
/// normalized. Released weights have one such code in thousands.
/// </summary>
internal readonly unsafe struct Avx2E4M3 : IAvx2Weights
{
    public static int Interleaving => 4;

    public static float InputFactor => E4M3Magnitudes.InputFactor;

    public static float LoadInputFactor => E4M3Magnitudes.NormalizedInputFactor;

    public static float OutputFactor => E4M3Magnitudes.OutputFactor;

    public static int MostClassInputs => 16;

    public static bool IsShort => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Masks Masks() => Avx2Masks.Held();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Vector256<byte> codes = Avx.LoadVector256(p);
        Avx2E4M3Subnormal.Decode(codes.AsInt16(), masks, out v0, out v1, out v2, out v3);
        return !Vector256.EqualsAny(Avx2.And(codes, Vector256.Create((byte)0x78)), Vector256<byte>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, in Avx2Masks masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        Vector256<byte> codes = Avx.LoadVector256(p);
        Vector256<byte> magnitudes = Avx2.And(codes, Vector256.Create((byte)0x7F));
        const ulong Low = E4M3Magnitudes.OffsetsBelow8;
        const ulong High = E4M3Magnitudes.OffsetsFrom8;
        Vector256<byte> table = Vector256.Create(Low, High, Low, High).AsByte();
        Vector256<byte> offsets = Avx2.Shuffle(table, Avx2.Min(magnitudes, Vector256.Create((byte)8)));
        Vector256<ushort> normalized = Avx2.Add(magnitudes, offsets).AsUInt16();

        // The upper halves of binary32 values, for the even and the odd bytes.
        Vector256<ushort> field = Vector256.Create((ushort)0x0FF0);
        Vector256<ushort> sign = Vector256.Create((ushort)0x8000);
        Vector256<uint> even = Avx2.Or(
            Avx2.And(Avx2.ShiftLeftLogical(normalized, 4), field), Avx2.And(Avx2.ShiftLeftLogical(codes.AsUInt16(), 8), sign)).AsUInt32();
        Vector256<uint> odd = Avx2.Or(Avx2.And(Avx2.ShiftRightLogical(normalized, 4), field), Avx2.And(codes.AsUInt16(), sign)).AsUInt32();
        Avx2E4M3Subnormal.Halves(even, odd, masks, out v0, out v1, out v2, out v3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Small(byte* p) => Vector256.Equals(Avx2.And(Avx.LoadVector256(p), Vector256.Create((byte)0x78)), Vector256<byte>.Zero).ExtractMostSignificantBits();
}
