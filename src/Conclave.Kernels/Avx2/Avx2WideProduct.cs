using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// Two vectors of columns of an <see cref="OrderedProduct{TSimd, TVector}"/> for a number of rows that the JIT knows, up to six: twelve sums, two vectors of b and one element of a fill 15 of 16
/// registers, and of eight loads come twelve multiply-adds. Kept apart from the method that chooses among numbers of rows, as tiles are.
/// </summary>
internal static unsafe class Avx2WideProduct<TCount>
    where TCount : struct, ICount
{
    /// <summary>See <see cref="OrderedProduct{TSimd, TVector}.Run"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(float* a, nint aStride, int depth, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default;
        Vector256<float> c10 = default, c11 = default;
        Vector256<float> c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default;
        Vector256<float> c40 = default, c41 = default;
        Vector256<float> c50 = default, c51 = default;
        if (accumulate)
        {
            Load(c, out c00, out c01);
            Load(c + cStride, out c10, out c11);
            if (TCount.Value > 2)
            {
                Load(c + (2 * cStride), out c20, out c21);
            }

            if (TCount.Value > 3)
            {
                Load(c + (3 * cStride), out c30, out c31);
            }

            if (TCount.Value > 4)
            {
                Load(c + (4 * cStride), out c40, out c41);
            }

            if (TCount.Value > 5)
            {
                Load(c + (5 * cStride), out c50, out c51);
            }
        }

        float* a1 = a + aStride;
        float* a2 = TCount.Value > 2 ? a1 + aStride : a1;
        float* a3 = TCount.Value > 3 ? a2 + aStride : a2;
        float* a4 = TCount.Value > 4 ? a3 + aStride : a3;
        float* a5 = TCount.Value > 5 ? a4 + aStride : a4;
        for (nint t = 0; t < depth; t++)
        {
            Vector256<float> b0 = Vector256.Load(b);
            Vector256<float> b1 = Vector256.Load(b + Vector256<float>.Count);
            Vector256<float> x = Avx.BroadcastScalarToVector256(a + t);
            c00 = Fma.MultiplyAdd(x, b0, c00);
            c01 = Fma.MultiplyAdd(x, b1, c01);
            x = Avx.BroadcastScalarToVector256(a1 + t);
            c10 = Fma.MultiplyAdd(x, b0, c10);
            c11 = Fma.MultiplyAdd(x, b1, c11);
            if (TCount.Value > 2)
            {
                x = Avx.BroadcastScalarToVector256(a2 + t);
                c20 = Fma.MultiplyAdd(x, b0, c20);
                c21 = Fma.MultiplyAdd(x, b1, c21);
            }

            if (TCount.Value > 3)
            {
                x = Avx.BroadcastScalarToVector256(a3 + t);
                c30 = Fma.MultiplyAdd(x, b0, c30);
                c31 = Fma.MultiplyAdd(x, b1, c31);
            }

            if (TCount.Value > 4)
            {
                x = Avx.BroadcastScalarToVector256(a4 + t);
                c40 = Fma.MultiplyAdd(x, b0, c40);
                c41 = Fma.MultiplyAdd(x, b1, c41);
            }

            if (TCount.Value > 5)
            {
                x = Avx.BroadcastScalarToVector256(a5 + t);
                c50 = Fma.MultiplyAdd(x, b0, c50);
                c51 = Fma.MultiplyAdd(x, b1, c51);
            }

            b += bStride;
        }

        Store(c, c00, c01);
        Store(c + cStride, c10, c11);
        if (TCount.Value > 2)
        {
            Store(c + (2 * cStride), c20, c21);
        }

        if (TCount.Value > 3)
        {
            Store(c + (3 * cStride), c30, c31);
        }

        if (TCount.Value > 4)
        {
            Store(c + (4 * cStride), c40, c41);
        }

        if (TCount.Value > 5)
        {
            Store(c + (5 * cStride), c50, c51);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* p, out Vector256<float> v0, out Vector256<float> v1)
    {
        v0 = Vector256.Load(p);
        v1 = Vector256.Load(p + Vector256<float>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* p, Vector256<float> v0, Vector256<float> v1)
    {
        v0.Store(p);
        v1.Store(p + Vector256<float>.Count);
    }
}
