using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;
using X86Fma = System.Runtime.Intrinsics.X86.Fma;

namespace Conclave.Kernels;

/// <summary>AVX2 and FMA: eight lanes.</summary>
internal readonly unsafe struct Avx2Simd : ISimd<Vector256<float>>
{
    /// <summary>True where this machine has what is used here.</summary>
    public static bool IsSupported => Avx2.IsSupported && X86Fma.IsSupported;

    public static int Lanes => 8;

    private static ReadOnlySpan<int> Masks => [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Avx.LoadVector256(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector256<float> value) => Avx.Store(destination, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Mask(int count) =>
        Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(Masks), (nuint)(8 - count)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadMasked(float* source, Vector256<float> mask) => Avx.MaskLoad(source, mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreMasked(float* destination, Vector256<float> mask, Vector256<float> value) => Avx.MaskStore(destination, mask, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Select(Vector256<float> mask, Vector256<float> value, Vector256<float> other) =>
        Avx.BlendVariable(other, value, mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => Avx.Add(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => Avx.Subtract(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => Avx.Multiply(a, b);

    public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => Avx.Divide(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        X86Fma.MultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FmaNegated(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        X86Fma.MultiplyAddNegated(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) => Avx.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Min(Vector256<float> a, Vector256<float> b) => Avx.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Vector256<float> a) => Avx.RoundToNearestInteger(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale(Vector256<float> a, Vector256<float> n)
    {
        // Two factors, because 2^128 and 2^-150 are no normal numbers; only the second product rounds.
        Vector256<int> exponent = Avx.ConvertToVector256Int32(n);
        Vector256<int> half = Avx2.ShiftRightArithmetic(exponent, 1);
        return Avx.Multiply(Avx.Multiply(a, PowerOfTwo(half)), PowerOfTwo(Avx2.Subtract(exponent, half)));

        static Vector256<float> PowerOfTwo(Vector256<int> exponent) =>
            Avx2.ShiftLeftLogical(Avx2.Add(exponent, Vector256.Create(127)), 23).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ReduceAdd(Vector256<float> a)
    {
        Vector128<float> four = Halve(a);
        Vector128<float> two = Sse3.HorizontalAdd(four, four);
        return Sse3.HorizontalAdd(two, two).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ReduceAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d) =>
        Sse3.HorizontalAdd(Sse3.HorizontalAdd(Halve(a), Halve(b)), Sse3.HorizontalAdd(Halve(c), Halve(d)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ReduceMax(Vector256<float> a)
    {
        Vector128<float> four = Sse.Max(a.GetLower(), a.GetUpper());
        Vector128<float> two = Sse.Max(four, Sse.MoveHighToLow(four, four));
        return Sse.Max(two, Sse.Shuffle(two, two, 1)).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Even, Vector256<float> Odd) Deinterleave(Vector256<float> first, Vector256<float> second) =>
        (Unmix(Avx.Shuffle(first, second, 0b10_00_10_00)), Unmix(Avx.Shuffle(first, second, 0b11_01_11_01)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> First, Vector256<float> Second) Interleave(Vector256<float> even, Vector256<float> odd)
    {
        Vector256<float> low = Avx.UnpackLow(even, odd);
        Vector256<float> high = Avx.UnpackHigh(even, odd);
        return (Avx.Permute2x128(low, high, 0x20), Avx.Permute2x128(low, high, 0x31));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBF16(ushort* source) =>
        Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32(Sse2.LoadVector128(source)), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadF16(ushort* source)
    {
        Vector256<int> codes = Avx2.ConvertToVector256Int32(Sse2.LoadVector128(source));
        Vector256<int> magnitude = Avx2.And(codes, Vector256.Create(0x7FFF));
        Vector256<float> value = WithoutImplicitOne(Avx2.ShiftLeftLogical(magnitude, 13), 112, 6.103515625e-05f);
        Vector256<int> infinite = Avx2.And(Avx2.CompareGreaterThan(magnitude, Vector256.Create(0x7BFF)), Vector256.Create(0x7F800000));
        return Avx2.Or(Avx2.Or(value.AsInt32(), infinite), Avx2.ShiftLeftLogical(Avx2.AndNot(Vector256.Create(0x7FFF), codes), 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadE4M3(byte* source)
    {
        Vector256<int> codes = Avx2.ConvertToVector256Int32(Sse2.LoadScalarVector128((ulong*)source).AsByte());
        Vector256<int> magnitude = Avx2.And(codes, Vector256.Create(0x7F));
        Vector256<float> value = WithoutImplicitOne(Avx2.ShiftLeftLogical(magnitude, 20), 120, 0.015625f);
        return Avx2.Or(value.AsInt32(), Avx2.ShiftLeftLogical(Avx2.AndNot(Vector256.Create(0x7F), codes), 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBF16(ushort* destination, Vector256<float> value)
    {
        Vector256<int> bits = value.AsInt32();
        Vector256<int> odd = Avx2.And(Avx2.ShiftRightLogical(bits, 16), Vector256.Create(1));
        Vector256<int> rounded = Avx2.Add(bits, Avx2.Add(odd, Vector256.Create(0x7FFF)));
        Vector256<int> quiet = Avx2.Or(bits, Vector256.Create(0x00400000));
        Vector256<float> nan = Avx.Compare(value, value, FloatComparisonMode.UnorderedNonSignaling);
        Vector256<int> codes = Avx2.ShiftRightLogical(Avx.BlendVariable(rounded.AsSingle(), quiet.AsSingle(), nan).AsInt32(), 16);
        Vector256<ushort> packed = Avx2.PackUnsignedSaturate(codes, codes);
        Sse2.Store(destination, Avx2.Permute4x64(packed.AsUInt64(), 0b10_00).GetLower().AsUInt16());
    }

    public static void StoreE4M3(byte* destination, Vector256<float> value)
    {
        Vector256<int> bits = value.AsInt32();
        Vector256<int> magnitude = Avx2.And(bits, Vector256.Create(0x7FFFFFFF));
        Vector256<int> odd = Avx2.And(Avx2.ShiftRightLogical(bits, 20), Vector256.Create(1));
        Vector256<int> rounded = Avx2.ShiftRightLogical(Avx2.Add(magnitude, Avx2.Add(odd, Vector256.Create(0x7FFFF))).AsUInt32(), 20).AsInt32();
        Vector256<int> codes = Avx2.Min(Avx2.Subtract(rounded, Vector256.Create(120 << 3)), Vector256.Create(0x7E));

        // Subnormal codes count steps of 2^-9, which is the last place of 2^14.
        Vector256<int> steps = Avx.Add(magnitude.AsSingle(), Vector256.Create(16384f)).AsInt32();
        Vector256<int> small = Avx2.CompareGreaterThan(Vector256.Create(0x3C800000), magnitude);
        codes = Avx2.BlendVariable(codes, Avx2.Subtract(steps, Vector256.Create(0x46800000)), small);
        Vector256<int> nan = Avx.Compare(value, value, FloatComparisonMode.UnorderedNonSignaling).AsInt32();
        codes = Avx2.BlendVariable(codes, Vector256.Create(0x7F), nan);
        codes = Avx2.Or(codes, Avx2.And(Avx2.ShiftRightLogical(bits, 24), Vector256.Create(0x80)));
        Vector128<short> words = Sse2.PackSignedSaturate(codes.GetLower(), codes.GetUpper());
        Sse2.StoreScalar((long*)destination, Sse2.PackUnsignedSaturate(words, words).AsInt64());
    }

    public static nint ProjectionScratch(nint k, int m) => Avx2Projection.ScratchBytes(k, m);

    public static void Project(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch) =>
        Avx2Projection.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);

    public static int WideColumns => 2 * Vector256<float>.Count;

    public static void WideProduct(int rows, float* a, nint aStride, int depth, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        switch (rows)
        {
            case 2:
                Avx2WideProduct<Two>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 3:
                Avx2WideProduct<Three>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 4:
                Avx2WideProduct<Four>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 5:
                Avx2WideProduct<Five>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            default:
                Avx2WideProduct<Six>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
        }
    }

    public static int DotQueries => 3;

    public static void LatentDots(int queries, float* query, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride)
    {
        switch (queries)
        {
            case 1:
                Avx2LatentDots<One>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 2:
                Avx2LatentDots<Two>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            default:
                Avx2LatentDots<Three>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Halve(Vector256<float> a) => Sse.Add(a.GetLower(), a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Unmix(Vector256<float> a) => Avx2.Permute4x64(a.AsDouble(), 0b11_01_10_00).AsSingle();

    /// <summary>
    /// The value of a small format's exponent and mantissa, put where a binary32 has them; <paramref name="bias"/> is the difference of the exponents'
    /// biases. With a the magnitude read as if it had an implicit one, a normal number is a, a subnormal one 2a − the smallest normal number, and
    /// each is the smaller of the two; so no binary32 subnormal appears, which would cost a microcode assist.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> WithoutImplicitOne(Vector256<int> magnitude, int bias, float smallestNormal)
    {
        Vector256<float> normal = Avx2.Add(magnitude, Vector256.Create(bias << 23)).AsSingle();
        Vector256<float> subnormal =
            X86Fma.MultiplySubtract(normal, Vector256.Create(2f), Vector256.Create(smallestNormal));
        return Avx.Min(normal, subnormal);
    }
}
