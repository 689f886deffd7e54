using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>How the weights of a group become four vectors, and the order of elements that this implies.</summary>
internal unsafe interface IAvx512Weights
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

    /// <summary>Decodes a group.</summary>
    static abstract void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);

    /// <summary>
    /// Decodes a group on a shorter way that most weights can go. Returns false, with undefined vectors, where one of them cannot: then <see cref="Load"/>
    /// gives them all, multiplied by InputFactor ÷ LoadInputFactor.
    /// </summary>
    static abstract bool TryLoad(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
}

internal readonly unsafe struct Avx512F32 : IAvx512Weights
{
    public static int Interleaving => 1;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Load(p, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        v0 = Avx512F.LoadVector512((float*)p);
        v1 = Avx512F.LoadVector512((float*)p + 16);
        v2 = Avx512F.LoadVector512((float*)p + 32);
        v3 = Avx512F.LoadVector512((float*)p + 48);
    }
}

internal readonly unsafe struct Avx512BF16 : IAvx512Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Load(p, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Vector512<uint> words = Avx512F.LoadVector512((uint*)p);
        v0 = Avx512F.ShiftLeftLogical(words, 16).AsSingle();
        v1 = Avx512F.And(words, Vector512.Create(0xFFFF0000u)).AsSingle();
        words = Avx512F.LoadVector512((uint*)p + 16);
        v2 = Avx512F.ShiftLeftLogical(words, 16).AsSingle();
        v3 = Avx512F.And(words, Vector512.Create(0xFFFF0000u)).AsSingle();
    }
}

internal readonly unsafe struct Avx512F16 : IAvx512Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Load(p, out v0, out v1, out v2, out v3);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Vector512<uint> words = Avx512F.LoadVector512((uint*)p);
        v0 = Decode(Avx512F.ShiftLeftLogical(words, 16));
        v1 = Decode(words);
        words = Avx512F.LoadVector512((uint*)p + 16);
        v2 = Decode(Avx512F.ShiftLeftLogical(words, 16));
        v3 = Decode(words);
    }

    /// <summary>
    /// Decodes the upper half of each element. With a the magnitude read as if it had an implicit one, a normal value is a and a subnormal one
    /// 2a − 2^-14; each is the smaller of the two, and no binary32 subnormal, which would cost a microcode assist, appears.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Decode(Vector512<uint> upper)
    {
        Vector512<uint> magnitude = Avx512F.ShiftRightLogical(Avx512F.And(upper, Vector512.Create(0x7FFF0000u)), 3);
        Vector512<float> normal = Avx512F.Add(magnitude, Vector512.Create(112u << 23)).AsSingle();
        Vector512<float> subnormal = Avx512F.FusedMultiplySubtract(normal, Vector512.Create(2f), Vector512.Create(6.103515625e-05f));
        Vector512<uint> value = Avx512F.Min(normal, subnormal).AsUInt32();
        return Avx512F.TernaryLogic(value, upper, Vector512.Create(0x80000000u), 0xF8).AsSingle();
    }
}

/// <summary>
/// FP8 E4M3. The seven bits of a magnitude are the low end of a binary32's exponent and the top of its mantissa: moved there, they are value · 2^-120, and an
/// E4M3 subnormal is a binary32 subnormal, which would cost a microcode assist of a hundred cycles and more. Where a group has a code below 8, the
/// long way is taken: a table over those codes and one offset for the others turn the magnitude into eight bits that stand for value · 2^-117, subnormals
/// normalized. Released weights have one such code in thousands.
/// </summary>
internal readonly unsafe struct Avx512E4M3 : IAvx512Weights
{
    public static int Interleaving => 4;

    public static float InputFactor => E4M3Magnitudes.InputFactor;

    public static float LoadInputFactor => E4M3Magnitudes.NormalizedInputFactor;

    public static float OutputFactor => E4M3Magnitudes.OutputFactor;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Vector512<byte> codes = Avx512F.LoadVector512(p);
        Vector512<short> field = Vector512.Create(unchecked((short)0x87F0));
        Vector512<short> left = Avx512BW.ShiftLeftLogical(codes.AsInt16(), 8);
        Vector512<uint> even = Avx512F.And(Avx512BW.ShiftRightArithmetic(left, 4), field).AsUInt32();
        Vector512<uint> odd = Avx512F.And(Avx512BW.ShiftRightArithmetic(codes.AsInt16(), 4), field).AsUInt32();
        Halves(even, odd, out v0, out v1, out v2, out v3);
        return !Vector512.EqualsAny(Avx512F.And(codes, Vector512.Create((byte)0x78)), Vector512<byte>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Vector512<byte> codes = Avx512F.LoadVector512(p);
        Vector512<byte> magnitudes = Avx512F.And(codes, Vector512.Create((byte)0x7F));
        const ulong Low = E4M3Magnitudes.OffsetsBelow8;
        const ulong High = E4M3Magnitudes.OffsetsFrom8;
        Vector512<byte> table = Vector512.Create(Low, High, Low, High, Low, High, Low, High).AsByte();
        Vector512<byte> offsets = Avx512BW.Shuffle(table, Avx512BW.Min(magnitudes, Vector512.Create((byte)8)));
        Vector512<ushort> normalized = Avx512BW.Add(magnitudes, offsets).AsUInt16();

        // The upper halves of binary32 values, for the even and the odd bytes.
        Vector512<ushort> field = Vector512.Create((ushort)0x0FF0);
        Vector512<ushort> sign = Vector512.Create((ushort)0x8000);
        Vector512<uint> even = Avx512F.TernaryLogic(
            Avx512F.And(Avx512BW.ShiftLeftLogical(normalized, 4), field), Avx512BW.ShiftLeftLogical(codes.AsUInt16(), 8), sign, 0xF8).AsUInt32();
        Vector512<uint> odd = Avx512F.TernaryLogic(
            Avx512F.And(Avx512BW.ShiftRightLogical(normalized, 4), field), codes.AsUInt16(), sign, 0xF8).AsUInt32();
        Halves(even, odd, out v0, out v1, out v2, out v3);
    }

    /// <summary>Binary32 values out of their upper halves, two in each element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Halves(
        Vector512<uint> even, Vector512<uint> odd, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Vector512<uint> upper = Vector512.Create(0xFFFF0000u);
        v0 = Avx512F.ShiftLeftLogical(even, 16).AsSingle();
        v1 = Avx512F.ShiftLeftLogical(odd, 16).AsSingle();
        v2 = Avx512F.And(even, upper).AsSingle();
        v3 = Avx512F.And(odd, upper).AsSingle();
    }
}
