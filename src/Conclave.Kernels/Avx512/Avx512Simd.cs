using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>AVX-512 F and BW: sixteen lanes.</summary>
internal readonly unsafe struct Avx512Simd : ISimd<Vector512<float>>
{
    /// <summary>True where this machine has what is used here.</summary>
    public static bool IsSupported => Avx512F.IsSupported && Avx512BW.IsSupported;

    public static int Lanes => 16;

    private static Vector512<int> EvenPlaces => Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);

    private static Vector512<int> OddPlaces => Vector512.Create(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

    private static Vector512<int> LowerPairs => Vector512.Create(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

    private static Vector512<int> UpperPairs => Vector512.Create(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Avx512F.LoadVector512(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector512<float> value) => Avx512F.Store(destination, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Mask(int count) =>
        Avx512F.CompareLessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadMasked(float* source, Vector512<float> mask) =>
        Avx512F.MaskLoad(source, mask, Vector512<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreMasked(float* destination, Vector512<float> mask, Vector512<float> value) =>
        Avx512F.MaskStore(destination, mask, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Select(Vector512<float> mask, Vector512<float> value, Vector512<float> other) =>
        Avx512F.BlendVariable(other, value, mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => Avx512F.Add(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => Avx512F.Subtract(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => Avx512F.Multiply(a, b);

    public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => Avx512F.Divide(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FmaNegated(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Avx512F.FusedMultiplyAddNegated(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Avx512F.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Min(Vector512<float> a, Vector512<float> b) => Avx512F.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> a) => Avx512F.RoundScale(a, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale(Vector512<float> a, Vector512<float> n) => Avx512F.Scale(a, n);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ReduceAdd(Vector512<float> a)
    {
        Vector128<float> four = Quarter(a);
        Vector128<float> two = Sse3.HorizontalAdd(four, four);
        return Sse3.HorizontalAdd(two, two).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ReduceAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d) =>
        Sse3.HorizontalAdd(Sse3.HorizontalAdd(Quarter(a), Quarter(b)), Sse3.HorizontalAdd(Quarter(c), Quarter(d)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ReduceMax(Vector512<float> a)
    {
        Vector256<float> eight = Avx.Max(a.GetLower(), a.GetUpper());
        Vector128<float> four = Sse.Max(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Sse.Max(four, Sse.MoveHighToLow(four, four));
        return Sse.Max(two, Sse.Shuffle(two, two, 1)).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> Even, Vector512<float> Odd) Deinterleave(Vector512<float> first, Vector512<float> second) =>
        (Avx512F.PermuteVar16x32x2(first, EvenPlaces, second), Avx512F.PermuteVar16x32x2(first, OddPlaces, second));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) Interleave(Vector512<float> even, Vector512<float> odd) =>
        (Avx512F.PermuteVar16x32x2(even, LowerPairs, odd), Avx512F.PermuteVar16x32x2(even, UpperPairs, odd));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBF16(ushort* source) =>
        Avx512F.ShiftLeftLogical(Avx512F.ConvertToVector512Int32(Avx.LoadVector256(source)), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadF16(ushort* source)
    {
        Vector512<int> codes = Avx512F.ConvertToVector512Int32(Avx.LoadVector256(source));
        Vector512<int> magnitude = Avx512F.And(codes, Vector512.Create(0x7FFF));
        Vector512<float> value = WithoutImplicitOne(Avx512F.ShiftLeftLogical(magnitude, 13), 112, 6.103515625e-05f);
        Vector512<int> infinite =
            Avx512F.And(Avx512F.CompareGreaterThan(magnitude, Vector512.Create(0x7BFF)), Vector512.Create(0x7F800000));
        Vector512<int> sign = Avx512F.ShiftLeftLogical(Avx512F.AndNot(Vector512.Create(0x7FFF), codes), 16);
        return Avx512F.Or(Avx512F.Or(value.AsInt32(), infinite), sign).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadE4M3(byte* source)
    {
        Vector512<int> codes = Avx512F.ConvertToVector512Int32(Sse2.LoadVector128(source));
        Vector512<int> magnitude = Avx512F.And(codes, Vector512.Create(0x7F));
        Vector512<float> value = WithoutImplicitOne(Avx512F.ShiftLeftLogical(magnitude, 20), 120, 0.015625f);
        return Avx512F.Or(value.AsInt32(), Avx512F.ShiftLeftLogical(Avx512F.AndNot(Vector512.Create(0x7F), codes), 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBF16(ushort* destination, Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> odd = Avx512F.And(Avx512F.ShiftRightLogical(bits, 16), Vector512.Create(1u));
        Vector512<uint> rounded = Avx512F.Add(bits, Avx512F.Add(odd, Vector512.Create(0x7FFFu)));
        Vector512<uint> quiet = Avx512F.Or(bits, Vector512.Create(0x00400000u));
        Vector512<uint> nan = Avx512F.CompareUnordered(value, value).AsUInt32();
        Vector512<uint> codes = Avx512F.ShiftRightLogical(Avx512F.BlendVariable(rounded, quiet, nan), 16);
        Avx.Store(destination, Avx512F.ConvertToVector256UInt16(codes));
    }

    public static void StoreE4M3(byte* destination, Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> magnitude = Avx512F.And(bits, Vector512.Create(0x7FFFFFFFu));
        Vector512<uint> odd = Avx512F.And(Avx512F.ShiftRightLogical(bits, 20), Vector512.Create(1u));
        Vector512<uint> rounded = Avx512F.ShiftRightLogical(Avx512F.Add(magnitude, Avx512F.Add(odd, Vector512.Create(0x7FFFFu))), 20);
        Vector512<uint> codes = Avx512F.Min(Avx512F.Subtract(rounded, Vector512.Create(120u << 3)), Vector512.Create(0x7Eu));

        // Subnormal codes count steps of 2^-9, which is the last place of 2^14.
        Vector512<float> steps = Avx512F.Add(magnitude.AsSingle(), Vector512.Create(16384f));
        Vector512<uint> small = Avx512F.CompareLessThan(magnitude, Vector512.Create(0x3C800000u));
        codes = Avx512F.BlendVariable(codes, Avx512F.Subtract(steps.AsUInt32(), Vector512.Create(0x46800000u)), small);
        codes = Avx512F.BlendVariable(codes, Vector512.Create(0x7Fu), Avx512F.CompareUnordered(value, value).AsUInt32());
        Vector512<uint> sign = Avx512F.And(Avx512F.ShiftRightLogical(bits, 24), Vector512.Create(0x80u));
        Sse2.Store(destination, Avx512F.ConvertToVector128Byte(Avx512F.Or(codes, sign)));
    }

    public static nint ProjectionScratch(nint k, int m) => Avx512Projection.ScratchBytes(k, m);

    public static void Project(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch) =>
        Avx512Projection.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);

    public static int WideColumns => 4 * Vector512<float>.Count;

    public static void WideProduct(int rows, float* a, nint aStride, int depth, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        switch (rows)
        {
            case 2:
                Avx512WideProduct<Two>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 3:
                Avx512WideProduct<Three>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 4:
                Avx512WideProduct<Four>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            case 5:
                Avx512WideProduct<Five>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
            default:
                Avx512WideProduct<Six>.Run(a, aStride, depth, b, bStride, c, cStride, accumulate);
                break;
        }
    }

    public static int DotQueries => 6;

    public static void LatentDots(int queries, float* query, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride)
    {
        switch (queries)
        {
            case 1:
                Avx512LatentDots<One>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 2:
                Avx512LatentDots<Two>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 3:
                Avx512LatentDots<Three>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 4:
                Avx512LatentDots<Four>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 5:
                Avx512LatentDots<Five>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            default:
                Avx512LatentDots<Six>.Run(query, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Quarter(Vector512<float> a)
    {
        Vector256<float> eight = Avx.Add(a.GetLower(), a.GetUpper());
        return Sse.Add(eight.GetLower(), eight.GetUpper());
    }

    /// <summary>
    /// The value of a small format's exponent and mantissa, put where a binary32 has them; <paramref name="bias"/> is the difference of the exponents'
    /// biases. With a the magnitude read as if it had an implicit one, a normal number is a, a subnormal one 2a − the smallest normal number, and
    /// each is the smaller of the two; so no binary32 subnormal appears, which would cost a microcode assist.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> WithoutImplicitOne(Vector512<int> magnitude, int bias, float smallestNormal)
    {
        Vector512<float> normal = Avx512F.Add(magnitude, Vector512.Create(bias << 23)).AsSingle();
        Vector512<float> subnormal = Avx512F.FusedMultiplySubtract(normal, Vector512.Create(2f), Vector512.Create(smallestNormal));
        return Avx512F.Min(normal, subnormal);
    }
}
