using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// Four vectors of columns of an <see cref="OrderedProduct{TSimd, TVector}"/> for a number of rows that the JIT knows, up to six: 24 sums, four vectors of b and one element of a fill 32
/// registers, and of ten loads come 24 multiply-adds. Kept apart from the method that chooses among numbers of rows, as tiles are.
/// </summary>
internal static unsafe class Avx512WideProduct<TCount>
    where TCount : struct, ICount
{
    /// <summary>See <see cref="OrderedProduct{TSimd, TVector}.Run"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(float* a, nint aStride, int depth, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c02 = default, c03 = default;
        Vector512<float> c10 = default, c11 = default, c12 = default, c13 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c23 = default;
        Vector512<float> c30 = default, c31 = default, c32 = default, c33 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default, c43 = default;
        Vector512<float> c50 = default, c51 = default, c52 = default, c53 = default;
        if (accumulate)
        {
            Load(c, out c00, out c01, out c02, out c03);
            Load(c + cStride, out c10, out c11, out c12, out c13);
            if (TCount.Value > 2)
            {
                Load(c + (2 * cStride), out c20, out c21, out c22, out c23);
            }

            if (TCount.Value > 3)
            {
                Load(c + (3 * cStride), out c30, out c31, out c32, out c33);
            }

            if (TCount.Value > 4)
            {
                Load(c + (4 * cStride), out c40, out c41, out c42, out c43);
            }

            if (TCount.Value > 5)
            {
                Load(c + (5 * cStride), out c50, out c51, out c52, out c53);
            }
        }

        float* a1 = a + aStride;
        float* a2 = TCount.Value > 2 ? a1 + aStride : a1;
        float* a3 = TCount.Value > 3 ? a2 + aStride : a2;
        float* a4 = TCount.Value > 4 ? a3 + aStride : a3;
        float* a5 = TCount.Value > 5 ? a4 + aStride : a4;
        for (nint t = 0; t < depth; t++)
        {
            // With the intrinsics themselves: through ISimd the JIT took two instructions to load and spread an element.
            Vector512<float> b0 = Vector512.Load(b);
            Vector512<float> b1 = Vector512.Load(b + Vector512<float>.Count);
            Vector512<float> b2 = Vector512.Load(b + (2 * Vector512<float>.Count));
            Vector512<float> b3 = Vector512.Load(b + (3 * Vector512<float>.Count));
            Vector512<float> x = Vector512.Create(a[t]);
            c00 = Avx512F.FusedMultiplyAdd(x, b0, c00);
            c01 = Avx512F.FusedMultiplyAdd(x, b1, c01);
            c02 = Avx512F.FusedMultiplyAdd(x, b2, c02);
            c03 = Avx512F.FusedMultiplyAdd(x, b3, c03);
            x = Vector512.Create(a1[t]);
            c10 = Avx512F.FusedMultiplyAdd(x, b0, c10);
            c11 = Avx512F.FusedMultiplyAdd(x, b1, c11);
            c12 = Avx512F.FusedMultiplyAdd(x, b2, c12);
            c13 = Avx512F.FusedMultiplyAdd(x, b3, c13);
            if (TCount.Value > 2)
            {
                x = Vector512.Create(a2[t]);
                c20 = Avx512F.FusedMultiplyAdd(x, b0, c20);
                c21 = Avx512F.FusedMultiplyAdd(x, b1, c21);
                c22 = Avx512F.FusedMultiplyAdd(x, b2, c22);
                c23 = Avx512F.FusedMultiplyAdd(x, b3, c23);
            }

            if (TCount.Value > 3)
            {
                x = Vector512.Create(a3[t]);
                c30 = Avx512F.FusedMultiplyAdd(x, b0, c30);
                c31 = Avx512F.FusedMultiplyAdd(x, b1, c31);
                c32 = Avx512F.FusedMultiplyAdd(x, b2, c32);
                c33 = Avx512F.FusedMultiplyAdd(x, b3, c33);
            }

            if (TCount.Value > 4)
            {
                x = Vector512.Create(a4[t]);
                c40 = Avx512F.FusedMultiplyAdd(x, b0, c40);
                c41 = Avx512F.FusedMultiplyAdd(x, b1, c41);
                c42 = Avx512F.FusedMultiplyAdd(x, b2, c42);
                c43 = Avx512F.FusedMultiplyAdd(x, b3, c43);
            }

            if (TCount.Value > 5)
            {
                x = Vector512.Create(a5[t]);
                c50 = Avx512F.FusedMultiplyAdd(x, b0, c50);
                c51 = Avx512F.FusedMultiplyAdd(x, b1, c51);
                c52 = Avx512F.FusedMultiplyAdd(x, b2, c52);
                c53 = Avx512F.FusedMultiplyAdd(x, b3, c53);
            }

            b += bStride;
        }

        Store(c, c00, c01, c02, c03);
        Store(c + cStride, c10, c11, c12, c13);
        if (TCount.Value > 2)
        {
            Store(c + (2 * cStride), c20, c21, c22, c23);
        }

        if (TCount.Value > 3)
        {
            Store(c + (3 * cStride), c30, c31, c32, c33);
        }

        if (TCount.Value > 4)
        {
            Store(c + (4 * cStride), c40, c41, c42, c43);
        }

        if (TCount.Value > 5)
        {
            Store(c + (5 * cStride), c50, c51, c52, c53);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        v0 = Vector512.Load(p);
        v1 = Vector512.Load(p + Vector512<float>.Count);
        v2 = Vector512.Load(p + (2 * Vector512<float>.Count));
        v3 = Vector512.Load(p + (3 * Vector512<float>.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* p, Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3)
    {
        v0.Store(p);
        v1.Store(p + Vector512<float>.Count);
        v2.Store(p + (2 * Vector512<float>.Count));
        v3.Store(p + (3 * Vector512<float>.Count));
    }
}
