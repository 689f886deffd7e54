using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Conclave.Kernels;

/// <summary>
/// <see cref="LatentDots{TSimd, TVector}"/> of four tokens and a number of queries that the JIT knows, up to six: 24 sums, four vectors of tokens and one of a query fill 32 registers, and of ten loads
/// come 24 multiply-adds. Kept apart from the method that chooses among numbers of queries, as tiles are.
/// </summary>
internal static unsafe class Avx512LatentDots<TCount>
    where TCount : struct, ICount
{
    /// <summary>Four scores for each query.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(float* queries, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride)
    {
        Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default;
        Vector512<float> s10 = default, s11 = default, s12 = default, s13 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default, s23 = default;
        Vector512<float> s30 = default, s31 = default, s32 = default, s33 = default;
        Vector512<float> s40 = default, s41 = default, s42 = default, s43 = default;
        Vector512<float> s50 = default, s51 = default, s52 = default, s53 = default;
        float* q = queries;
        nint whole = dimensions - (dimensions % Vector512<float>.Count);
        for (nint k = 0; k < whole; k += Vector512<float>.Count)
        {
            Vector512<float> a = Vector512.Load(t0 + k);
            Vector512<float> b = Vector512.Load(t1 + k);
            Vector512<float> c = Vector512.Load(t2 + k);
            Vector512<float> d = Vector512.Load(t3 + k);
            Add(Vector512.Load(q), a, b, c, d, ref s00, ref s01, ref s02, ref s03);
            if (TCount.Value > 1)
            {
                Add(Vector512.Load(q + dimensions), a, b, c, d, ref s10, ref s11, ref s12, ref s13);
            }

            if (TCount.Value > 2)
            {
                Add(Vector512.Load(q + (2 * dimensions)), a, b, c, d, ref s20, ref s21, ref s22, ref s23);
            }

            if (TCount.Value > 3)
            {
                Add(Vector512.Load(q + (3 * dimensions)), a, b, c, d, ref s30, ref s31, ref s32, ref s33);
            }

            if (TCount.Value > 4)
            {
                Add(Vector512.Load(q + (4 * dimensions)), a, b, c, d, ref s40, ref s41, ref s42, ref s43);
            }

            if (TCount.Value > 5)
            {
                Add(Vector512.Load(q + (5 * dimensions)), a, b, c, d, ref s50, ref s51, ref s52, ref s53);
            }

            q += Vector512<float>.Count;
        }

        if (whole < dimensions)
        {
            Vector512<float> mask = Avx512Simd.Mask((int)(dimensions - whole));
            Vector512<float> a = Avx512Simd.LoadMasked(t0 + whole, mask);
            Vector512<float> b = Avx512Simd.LoadMasked(t1 + whole, mask);
            Vector512<float> c = Avx512Simd.LoadMasked(t2 + whole, mask);
            Vector512<float> d = Avx512Simd.LoadMasked(t3 + whole, mask);
            Add(Avx512Simd.LoadMasked(q, mask), a, b, c, d, ref s00, ref s01, ref s02, ref s03);
            if (TCount.Value > 1)
            {
                Add(Avx512Simd.LoadMasked(q + dimensions, mask), a, b, c, d, ref s10, ref s11, ref s12, ref s13);
            }

            if (TCount.Value > 2)
            {
                Add(Avx512Simd.LoadMasked(q + (2 * dimensions), mask), a, b, c, d, ref s20, ref s21, ref s22, ref s23);
            }

            if (TCount.Value > 3)
            {
                Add(Avx512Simd.LoadMasked(q + (3 * dimensions), mask), a, b, c, d, ref s30, ref s31, ref s32, ref s33);
            }

            if (TCount.Value > 4)
            {
                Add(Avx512Simd.LoadMasked(q + (4 * dimensions), mask), a, b, c, d, ref s40, ref s41, ref s42, ref s43);
            }

            if (TCount.Value > 5)
            {
                Add(Avx512Simd.LoadMasked(q + (5 * dimensions), mask), a, b, c, d, ref s50, ref s51, ref s52, ref s53);
            }
        }

        Avx512Simd.ReduceAdd(s00, s01, s02, s03).Store(scores);
        if (TCount.Value > 1)
        {
            Avx512Simd.ReduceAdd(s10, s11, s12, s13).Store(scores + scoreStride);
        }

        if (TCount.Value > 2)
        {
            Avx512Simd.ReduceAdd(s20, s21, s22, s23).Store(scores + (2 * scoreStride));
        }

        if (TCount.Value > 3)
        {
            Avx512Simd.ReduceAdd(s30, s31, s32, s33).Store(scores + (3 * scoreStride));
        }

        if (TCount.Value > 4)
        {
            Avx512Simd.ReduceAdd(s40, s41, s42, s43).Store(scores + (4 * scoreStride));
        }

        if (TCount.Value > 5)
        {
            Avx512Simd.ReduceAdd(s50, s51, s52, s53).Store(scores + (5 * scoreStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<float> q, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, ref Vector512<float> s0, ref Vector512<float> s1, ref Vector512<float> s2, ref Vector512<float> s3)
    {
        s0 = Avx512Simd.Fma(q, a, s0);
        s1 = Avx512Simd.Fma(q, b, s1);
        s2 = Avx512Simd.Fma(q, c, s2);
        s3 = Avx512Simd.Fma(q, d, s3);
    }
}
