using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Conclave.Kernels;

/// <summary>
/// <see cref="LatentDots{TSimd, TVector}"/> of four tokens and a number of queries that the JIT knows, up to three: twelve sums, three vectors of queries and one of a token fill 16 registers, and of seven
/// loads come twelve multiply-adds. Kept apart from the method that chooses among numbers of queries, as tiles are.
/// </summary>
internal static unsafe class Avx2LatentDots<TCount>
    where TCount : struct, ICount
{
    /// <summary>Four scores for each query.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(float* queries, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride)
    {
        Vector256<float> s00 = default, s01 = default, s02 = default, s03 = default;
        Vector256<float> s10 = default, s11 = default, s12 = default, s13 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default, s23 = default;
        float* second = queries + (TCount.Value > 1 ? dimensions : 0);
        float* third = queries + (TCount.Value > 2 ? 2 * dimensions : 0);
        nint whole = dimensions - (dimensions % Vector256<float>.Count);
        nint k = 0;
        for (; k + (2 * Vector256<float>.Count) <= whole; k += 2 * Vector256<float>.Count)
        {
            AddVector(queries + k, second + k, third + k, t0 + k, t1 + k, t2 + k, t3 + k, ref s00, ref s01, ref s02, ref s03, ref s10, ref s11, ref s12, ref s13, ref s20, ref s21, ref s22, ref s23);
            nint next = k + Vector256<float>.Count;
            AddVector(
                queries + next, second + next, third + next, t0 + next, t1 + next, t2 + next, t3 + next, ref s00, ref s01, ref s02, ref s03, ref s10, ref s11, ref s12, ref s13, ref s20, ref s21, ref s22, ref s23);
        }

        if (k < whole)
        {
            AddVector(queries + k, second + k, third + k, t0 + k, t1 + k, t2 + k, t3 + k, ref s00, ref s01, ref s02, ref s03, ref s10, ref s11, ref s12, ref s13, ref s20, ref s21, ref s22, ref s23);
        }

        if (whole < dimensions)
        {
            Vector256<float> mask = Avx2Simd.Mask((int)(dimensions - whole));
            Vector256<float> a = Avx2Simd.LoadMasked(queries + whole, mask);
            Vector256<float> b = TCount.Value > 1 ? Avx2Simd.LoadMasked(second + whole, mask) : default;
            Vector256<float> c = TCount.Value > 2 ? Avx2Simd.LoadMasked(third + whole, mask) : default;
            Add(Avx2Simd.LoadMasked(t0 + whole, mask), a, b, c, ref s00, ref s10, ref s20);
            Add(Avx2Simd.LoadMasked(t1 + whole, mask), a, b, c, ref s01, ref s11, ref s21);
            Add(Avx2Simd.LoadMasked(t2 + whole, mask), a, b, c, ref s02, ref s12, ref s22);
            Add(Avx2Simd.LoadMasked(t3 + whole, mask), a, b, c, ref s03, ref s13, ref s23);
        }

        Avx2Simd.ReduceAdd(s00, s01, s02, s03).Store(scores);
        if (TCount.Value > 1)
        {
            Avx2Simd.ReduceAdd(s10, s11, s12, s13).Store(scores + scoreStride);
        }

        if (TCount.Value > 2)
        {
            Avx2Simd.ReduceAdd(s20, s21, s22, s23).Store(scores + (2 * scoreStride));
        }
    }

    /// <summary>A vector of each query times the same one of each token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddVector(
        float* q0, float* q1, float* q2, float* t0, float* t1, float* t2, float* t3,
        ref Vector256<float> s00, ref Vector256<float> s01, ref Vector256<float> s02, ref Vector256<float> s03,
        ref Vector256<float> s10, ref Vector256<float> s11, ref Vector256<float> s12, ref Vector256<float> s13,
        ref Vector256<float> s20, ref Vector256<float> s21, ref Vector256<float> s22, ref Vector256<float> s23)
    {
        Vector256<float> a = Vector256.Load(q0);
        Vector256<float> b = TCount.Value > 1 ? Vector256.Load(q1) : default;
        Vector256<float> c = TCount.Value > 2 ? Vector256.Load(q2) : default;
        Add(Vector256.Load(t0), a, b, c, ref s00, ref s10, ref s20);
        Add(Vector256.Load(t1), a, b, c, ref s01, ref s11, ref s21);
        Add(Vector256.Load(t2), a, b, c, ref s02, ref s12, ref s22);
        Add(Vector256.Load(t3), a, b, c, ref s03, ref s13, ref s23);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector256<float> token, Vector256<float> a, Vector256<float> b, Vector256<float> c, ref Vector256<float> s0, ref Vector256<float> s1, ref Vector256<float> s2)
    {
        s0 = Avx2Simd.Fma(a, token, s0);
        if (TCount.Value > 1)
        {
            s1 = Avx2Simd.Fma(b, token, s1);
        }

        if (TCount.Value > 2)
        {
            s2 = Avx2Simd.Fma(c, token, s2);
        }
    }
}
