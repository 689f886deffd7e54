using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// One class of a segment: four decoded weight rows times up to six inputs. Kept apart from the methods that choose among numbers of inputs: inlined there, one size takes the
/// compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx512Tile<TPart>
    where TPart : struct, IPanelPart
{
    /// <summary>See <see cref="IProjectionLoops.Tile"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run<TCount>(float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
        where TCount : struct, ICount
    {
        Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default;
        Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default;
        Vector512<float> a30 = default, a31 = default, a32 = default, a33 = default;
        Vector512<float> a40 = default, a41 = default, a42 = default, a43 = default;
        Vector512<float> a50 = default, a51 = default, a52 = default, a53 = default;

        // What the sums are added to at the end comes out of a cache farther away. Panels are read in order, which the core foresees by itself.
        float* ahead = lanes;
        for (nint v = 0; v < vectors; v++)
        {
            Sse.Prefetch0(ahead);
            ahead += Vector512<float>.Count;
            Vector512<float> w0 = TPart.Load(weights);
            Vector512<float> w1 = TPart.Load(weights + Vector512<float>.Count);
            Vector512<float> w2 = TPart.Load(weights + (2 * Vector512<float>.Count));
            Vector512<float> w3 = TPart.Load(weights + (3 * Vector512<float>.Count));
            Vector512<float> x0 = Vector512.Load(inputs);
            a00 = Avx512F.FusedMultiplyAdd(w0, x0, a00);
            a01 = Avx512F.FusedMultiplyAdd(w1, x0, a01);
            a02 = Avx512F.FusedMultiplyAdd(w2, x0, a02);
            a03 = Avx512F.FusedMultiplyAdd(w3, x0, a03);
            if (TCount.Value > 1)
            {
                Vector512<float> x = Vector512.Load(inputs + Vector512<float>.Count);
                a10 = Avx512F.FusedMultiplyAdd(w0, x, a10);
                a11 = Avx512F.FusedMultiplyAdd(w1, x, a11);
                a12 = Avx512F.FusedMultiplyAdd(w2, x, a12);
                a13 = Avx512F.FusedMultiplyAdd(w3, x, a13);
            }

            if (TCount.Value > 2)
            {
                Vector512<float> x = Vector512.Load(inputs + (2 * Vector512<float>.Count));
                a20 = Avx512F.FusedMultiplyAdd(w0, x, a20);
                a21 = Avx512F.FusedMultiplyAdd(w1, x, a21);
                a22 = Avx512F.FusedMultiplyAdd(w2, x, a22);
                a23 = Avx512F.FusedMultiplyAdd(w3, x, a23);
            }

            if (TCount.Value > 3)
            {
                Vector512<float> x = Vector512.Load(inputs + (3 * Vector512<float>.Count));
                a30 = Avx512F.FusedMultiplyAdd(w0, x, a30);
                a31 = Avx512F.FusedMultiplyAdd(w1, x, a31);
                a32 = Avx512F.FusedMultiplyAdd(w2, x, a32);
                a33 = Avx512F.FusedMultiplyAdd(w3, x, a33);
            }

            if (TCount.Value > 4)
            {
                Vector512<float> x = Vector512.Load(inputs + (4 * Vector512<float>.Count));
                a40 = Avx512F.FusedMultiplyAdd(w0, x, a40);
                a41 = Avx512F.FusedMultiplyAdd(w1, x, a41);
                a42 = Avx512F.FusedMultiplyAdd(w2, x, a42);
                a43 = Avx512F.FusedMultiplyAdd(w3, x, a43);
            }

            if (TCount.Value > 5)
            {
                Vector512<float> x = Vector512.Load(inputs + (5 * Vector512<float>.Count));
                a50 = Avx512F.FusedMultiplyAdd(w0, x, a50);
                a51 = Avx512F.FusedMultiplyAdd(w1, x, a51);
                a52 = Avx512F.FusedMultiplyAdd(w2, x, a52);
                a53 = Avx512F.FusedMultiplyAdd(w3, x, a53);
            }

            weights += 4 * Vector512<float>.Count;
            inputs += TCount.Value * Vector512<float>.Count;
        }

        Finish(a00, a01, a02, a03, lanes, first, sums);
        if (TCount.Value > 1)
        {
            Finish(a10, a11, a12, a13, lanes + (4 * Vector512<float>.Count), first, sums is null ? null : sums + 4);
        }

        if (TCount.Value > 2)
        {
            Finish(a20, a21, a22, a23, lanes + (8 * Vector512<float>.Count), first, sums is null ? null : sums + 8);
        }

        if (TCount.Value > 3)
        {
            Finish(a30, a31, a32, a33, lanes + (12 * Vector512<float>.Count), first, sums is null ? null : sums + 12);
        }

        if (TCount.Value > 4)
        {
            Finish(a40, a41, a42, a43, lanes + (16 * Vector512<float>.Count), first, sums is null ? null : sums + 16);
        }

        if (TCount.Value > 5)
        {
            Finish(a50, a51, a52, a53, lanes + (20 * Vector512<float>.Count), first, sums is null ? null : sums + 20);
        }
    }

    /// <summary>Adds the sums of four rows and an input to what lies in memory, or, if it is the last time, adds up their lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* lanes, bool first, float* sums)
    {
        a = Avx512Lanes.Start(first, lanes) + a;
        b = Avx512Lanes.Start(first, lanes + Vector512<float>.Count) + b;
        c = Avx512Lanes.Start(first, lanes + (2 * Vector512<float>.Count)) + c;
        d = Avx512Lanes.Start(first, lanes + (3 * Vector512<float>.Count)) + d;
        if (sums is not null)
        {
            Avx512Lanes.Sum(a, b, c, d).Store(sums);
            return;
        }

        a.Store(lanes);
        b.Store(lanes + Vector512<float>.Count);
        c.Store(lanes + (2 * Vector512<float>.Count));
        d.Store(lanes + (3 * Vector512<float>.Count));
    }
}
