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

    /// <summary>What activations are multiplied by (a power of two) where weights come from <see cref="Vector"/>.</summary>
    static abstract float InputFactor { get; }

    /// <summary>The same for weights from <see cref="Load"/>.</summary>
    static abstract float LoadInputFactor { get; }

    /// <summary>What sums are multiplied by (a power of two).</summary>
    static abstract float OutputFactor { get; }

    /// <summary>See <see cref="IProjectionLoops.MostClassInputs"/>: the fewer the longer decoding takes.</summary>
    static abstract int MostClassInputs { get; }

    /// <summary>Whether weights, as <see cref="Load"/> gives them, are exact in the upper half of a binary32.</summary>
    static abstract bool HasHalves { get; }

    /// <summary>Decodes a group into such halves, if it has them: <see cref="Vector"/> makes the vectors of <see cref="Load"/> out of them.</summary>
    static abstract void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b);

    /// <summary>Decodes a group.</summary>
    static abstract void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);

    /// <summary>
    /// Begins to decode a group on a shorter way that most weights can go; <see cref="Vector"/> makes the vectors out of the two halves, one when it is
    /// needed, which takes fewer registers. Returns false where a weight cannot: then <see cref="Load"/> gives them all, multiplied by InputFactor ÷ LoadInputFactor.
    /// </summary>
    static abstract bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b);

    /// <summary>Vector <paramref name="j"/> (a constant) of the group at <paramref name="p"/>, which was unpacked.</summary>
    static abstract Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b);

    /// <summary>A bit for each weight of a group, in the order of memory: whether it cannot go the shorter way. All go it where both input factors are one.</summary>
    static abstract ulong Small(byte* p);

    /// <summary>
    /// Decodes class <paramref name="ofClass"/> of a group of bytes: on the shorter way, or on that of <see cref="Load"/>. <paramref name="shift"/> has what moves the class to the upper end of each element.
    /// </summary>
    static abstract Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong);
}

internal readonly unsafe struct Avx512F32 : IAvx512Weights
{
    public static int Interleaving => 1;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 79;

    public static bool HasHalves => false;

    public static void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b) => throw new NotSupportedException();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        v0 = Avx512F.LoadVector512((float*)p);
        v1 = Avx512F.LoadVector512((float*)p + 16);
        v2 = Avx512F.LoadVector512((float*)p + 32);
        v3 = Avx512F.LoadVector512((float*)p + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b)
    {
        a = b = default;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b) => Avx512F.LoadVector512((float*)p + (16 * j));

    public static ulong Small(byte* p) => 0;

    public static Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong) => throw new NotSupportedException();
}

internal readonly unsafe struct Avx512BF16 : IAvx512Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 79;

    public static bool HasHalves => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b) => Avx512Halfwords<Avx512BF16>.Unpack(p, out a, out b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3) =>
        Avx512Halfwords<Avx512BF16>.Load(p, out v0, out v1, out v2, out v3);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b) => Avx512Halfwords<Avx512BF16>.Unpack(p, out a, out b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b) => j switch
    {
        0 => Avx512F.ShiftLeftLogical(a, 16).AsSingle(),
        1 => Avx512F.And(a, Vector512.Create(0xFFFF0000u)).AsSingle(),
        2 => Avx512F.ShiftLeftLogical(b, 16).AsSingle(),
        _ => Avx512F.And(b, Vector512.Create(0xFFFF0000u)).AsSingle(),
    };

    public static ulong Small(byte* p) => 0;

    public static Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong) => throw new NotSupportedException();
}

internal readonly unsafe struct Avx512F16 : IAvx512Weights
{
    public static int Interleaving => 2;

    public static float InputFactor => 1f;

    public static float LoadInputFactor => 1f;

    public static float OutputFactor => 1f;

    public static int MostClassInputs => 12;

    public static bool HasHalves => false;

    public static void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b) => throw new NotSupportedException();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3) =>
        Avx512Halfwords<Avx512F16>.Load(p, out v0, out v1, out v2, out v3);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b) => Avx512Halfwords<Avx512F16>.Unpack(p, out a, out b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b) => j switch
    {
        0 => Decode(Avx512F.ShiftLeftLogical(a, 16)),
        1 => Decode(a),
        2 => Decode(Avx512F.ShiftLeftLogical(b, 16)),
        _ => Decode(b),
    };

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

    public static ulong Small(byte* p) => 0;

    public static Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong) => throw new NotSupportedException();
}

/// <summary>What formats of 16 bits, which have one way to be decoded, share.</summary>
internal static unsafe class Avx512Halfwords<TWeights>
    where TWeights : struct, IAvx512Weights
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Unpack(byte* p, out Vector512<uint> a, out Vector512<uint> b)
    {
        a = Avx512F.LoadVector512((uint*)p);
        b = Avx512F.LoadVector512((uint*)p + 16);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        Unpack(p, out Vector512<uint> a, out Vector512<uint> b);
        v0 = TWeights.Vector(0, p, a, b);
        v1 = TWeights.Vector(1, p, a, b);
        v2 = TWeights.Vector(2, p, a, b);
        v3 = TWeights.Vector(3, p, a, b);
    }
}

/// <summary>E4M3 for machines that multiply subnormal numbers at full speed: zero and the codes of subnormals become subnormal binary32 numbers, as the others become normal ones.</summary>
internal readonly unsafe struct Avx512E4M3Subnormal : IAvx512Weights
{
    public static int Interleaving => 4;

    public static float InputFactor => E4M3Magnitudes.InputFactor;

    public static float LoadInputFactor => E4M3Magnitudes.InputFactor;

    public static float OutputFactor => E4M3Magnitudes.OutputFactor;

    public static int MostClassInputs => 12;

    public static bool HasHalves => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b)
    {
        LoadHalves(p, out a, out b);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b) => j switch
    {
        0 => Avx512F.ShiftLeftLogical(a, 16).AsSingle(),
        1 => Avx512F.ShiftLeftLogical(b, 16).AsSingle(),
        2 => Avx512F.And(a, Vector512.Create(0xFFFF0000u)).AsSingle(),
        _ => Avx512F.And(b, Vector512.Create(0xFFFF0000u)).AsSingle(),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        LoadHalves(p, out Vector512<uint> even, out Vector512<uint> odd);
        v0 = Vector(0, p, even, odd);
        v1 = Vector(1, p, even, odd);
        v2 = Vector(2, p, even, odd);
        v3 = Vector(3, p, even, odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b) => Halves(Avx512BW.LoadVector512((short*)p), out a, out b);

    /// <summary>The upper halves of binary32 values, of the even and of the odd bytes, two in each element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Halves(Vector512<short> codes, out Vector512<uint> a, out Vector512<uint> b)
    {
        Vector512<short> field = Vector512.Create(unchecked((short)0x87F0));
        a = Avx512F.And(Avx512BW.ShiftRightArithmetic(Avx512BW.ShiftLeftLogical(codes, 8), 4), field).AsUInt32();
        b = Avx512F.And(Avx512BW.ShiftRightArithmetic(codes, 4), field).AsUInt32();
    }

    public static ulong Small(byte* p) => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong) =>
        Avx512F.And(Avx512F.ShiftRightArithmetic(Avx512F.ShiftLeftLogicalVariable(Avx512F.LoadVector512((uint*)p), shift).AsInt32(), 4).AsUInt32(), Vector512.Create(0x87F00000u)).AsSingle();
}

/// <summary>
/// E4M3 for machines on which subnormal numbers are slow. The seven bits of a magnitude are the low end of a binary32's exponent and the top of its mantissa: moved there, they are value · 2^-120, and an
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

    public static int MostClassInputs => 12;

    public static bool HasHalves => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryUnpack(byte* p, out Vector512<uint> a, out Vector512<uint> b)
    {
        Vector512<byte> codes = Avx512F.LoadVector512(p);
        Avx512E4M3Subnormal.Halves(codes.AsInt16(), out a, out b);
        return !Vector512.EqualsAny(Avx512F.And(codes, Vector512.Create((byte)0x78)), Vector512<byte>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Vector(int j, byte* p, Vector512<uint> a, Vector512<uint> b) => Avx512E4M3Subnormal.Vector(j, p, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        LoadHalves(p, out Vector512<uint> even, out Vector512<uint> odd);
        v0 = Vector(0, p, even, odd);
        v1 = Vector(1, p, even, odd);
        v2 = Vector(2, p, even, odd);
        v3 = Vector(3, p, even, odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(byte* p, out Vector512<uint> a, out Vector512<uint> b)
    {
        Vector512<byte> codes = Avx512F.LoadVector512(p);
        Vector512<byte> magnitudes = Avx512F.And(codes, Vector512.Create((byte)0x7F));
        const ulong Low = E4M3Magnitudes.OffsetsBelow8;
        const ulong High = E4M3Magnitudes.OffsetsFrom8;
        Vector512<byte> table = Vector512.Create(Low, High, Low, High, Low, High, Low, High).AsByte();
        Vector512<byte> offsets = Avx512BW.Shuffle(table, Avx512BW.Min(magnitudes, Vector512.Create((byte)8)));
        Vector512<ushort> normalized = Avx512BW.Add(magnitudes, offsets).AsUInt16();
        Vector512<ushort> field = Vector512.Create((ushort)0x0FF0);
        Vector512<ushort> sign = Vector512.Create((ushort)0x8000);
        a = Avx512F.TernaryLogic(
            Avx512F.And(Avx512BW.ShiftLeftLogical(normalized, 4), field), Avx512BW.ShiftLeftLogical(codes.AsUInt16(), 8), sign, 0xF8).AsUInt32();
        b = Avx512F.TernaryLogic(
            Avx512F.And(Avx512BW.ShiftRightLogical(normalized, 4), field), codes.AsUInt16(), sign, 0xF8).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Small(byte* p) => Vector512.Equals(Avx512F.And(Avx512F.LoadVector512(p), Vector512.Create((byte)0x78)), Vector512<byte>.Zero).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Class(int ofClass, byte* p, Vector512<uint> shift, bool isLong)
    {
        if (!isLong)
        {
            return Avx512E4M3Subnormal.Class(ofClass, p, shift, isLong);
        }

        Load(p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
        return ofClass switch { 0 => v0, 1 => v1, 2 => v2, _ => v3 };
    }
}
