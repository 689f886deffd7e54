using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// A pair of classes of a segment for weights of one format: one weight row after the other, decoded in registers, times up to six inputs: twelve sums leave four registers. Kept apart from the methods
/// that choose among numbers of inputs: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx2PairTile<TWeights, TPair>
    where TWeights : struct, IAvx2Weights
    where TPair : struct, ICount
{
    private static int GroupBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4 * Vector256<float>.Count * 4 / TWeights.Interleaving;
    }

    // The classes of a pair are decoded from the same bits.
    private static int First
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.Interleaving == 4 ? TPair.Value : 2 * TPair.Value;
    }

    private static int Second
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.Interleaving == 4 ? TPair.Value + 2 : (2 * TPair.Value) + 1;
    }

    // Where decoding has one way only, its inputs have one factor.
    private static bool HasLongWay
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.LoadInputFactor != TWeights.InputFactor;
    }

    // Where what is asked for with two groups lies in one cache line.
    private static bool IsTwoGroups
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.Interleaving > 1 && TWeights.IsShort;
    }

    // Where in a group of bytes the weights of these classes lie.
    private static ulong Codes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (0x11111111UL << First) | (0x11111111UL << Second);
    }

    /// <summary>See <see cref="IProjectionLoops.ClassTile"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run<TCount>(in ClassRows tile, float* inputs, nint classStride, in ClassSums unfinished, bool first)
        where TCount : struct, ICount
    {
        // First of all: what lives before a call is kept in memory.
        Avx2Masks masks = TWeights.Masks();
        byte* ahead = tile.Ahead;
        nint step = tile.Step;
        nint second = (Second - First) * classStride;
        for (int row = 0; row < tile.Rows; row++)
        {
            byte* p = tile.Weights + (row * tile.RowBytes);
            byte* end = p + (tile.Groups * GroupBytes);
            bool partial = tile.Tails is not null;
            ulong* small = unfinished.Small + (row * ClassSums.MostGroups);
            float* x = inputs + (First * classStride);
            Vector256<float> a00 = default, a01 = default, a02 = default, a03 = default, a04 = default, a05 = default;
            Vector256<float> a10 = default, a11 = default, a12 = default, a13 = default, a14 = default, a15 = default;
            while (true)
            {
                if (IsTwoGroups && end - p >= 2 * GroupBytes)
                {
                    byte* last = end - (2 * GroupBytes);
                    do
                    {
                        Sse.Prefetch1(ahead);
                        ahead += 2 * step;
                        AddGroup<TCount>(p, masks, null, x, second, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15);
                        AddGroup<TCount>(
                            p + GroupBytes, masks, null, x + (TCount.Value * Vector256<float>.Count), second, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15);
                        x += 2 * TCount.Value * Vector256<float>.Count;
                        p += 2 * GroupBytes;
                    }
                    while (p <= last);
                }

                for (; p < end; p += GroupBytes)
                {
                    Sse.Prefetch1(ahead);
                    ahead += step;
                    AddGroup<TCount>(p, masks, small, x, second, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15);
                    x += TCount.Value * Vector256<float>.Count;
                    if (HasLongWay)
                    {
                        small++;
                    }
                }

                if (!partial)
                {
                    break;
                }

                p = tile.Tails + (row * GroupBytes);
                end = p + GroupBytes;
                partial = false;
            }

            float* lanes = unfinished.Lanes + (((row / 4 * 4 * TCount.Value) + (row % 4)) * Vector256<float>.Count);
            float* held = unfinished.Held + (((row / 4 * 4 * TCount.Value) + (row % 4)) * Vector256<float>.Count);
            Finish(first, lanes, held, a00, a10);

            if (TCount.Value > 1)
            {
                Finish(first, lanes + (4 * Vector256<float>.Count), held + (4 * Vector256<float>.Count), a01, a11);
            }

            if (TCount.Value > 2)
            {
                Finish(first, lanes + (8 * Vector256<float>.Count), held + (8 * Vector256<float>.Count), a02, a12);
            }

            if (TCount.Value > 3)
            {
                Finish(first, lanes + (12 * Vector256<float>.Count), held + (12 * Vector256<float>.Count), a03, a13);
            }

            if (TCount.Value > 4)
            {
                Finish(first, lanes + (16 * Vector256<float>.Count), held + (16 * Vector256<float>.Count), a04, a14);
            }

            if (TCount.Value > 5)
            {
                Finish(first, lanes + (20 * Vector256<float>.Count), held + (20 * Vector256<float>.Count), a05, a15);
            }
        }
    }

    /// <summary>The two classes of a group of weights times those of the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddGroup<TCount>(
        byte* p, in Avx2Masks masks, ulong* small, float* x, nint second,
        ref Vector256<float> a00, ref Vector256<float> a01, ref Vector256<float> a02, ref Vector256<float> a03, ref Vector256<float> a04, ref Vector256<float> a05,
        ref Vector256<float> a10, ref Vector256<float> a11, ref Vector256<float> a12, ref Vector256<float> a13, ref Vector256<float> a14, ref Vector256<float> a15)
        where TCount : struct, ICount
    {
        _ = TWeights.TryLoad(p, masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);
        if (TPair.Value == 0 && HasLongWay)
        {
            *small = TWeights.Small(p);
        }

        if (HasLongWay && (*small & Codes) != 0)
        {
            TWeights.Load(p, masks, out v0, out v1, out v2, out v3);
            AddReduced<TCount>(FirstOf(v0, v1, v2, v3), x, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05);
            AddReduced<TCount>(SecondOf(v0, v1, v2, v3), x + second, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15);
        }
        else
        {
            Add<TCount>(FirstOf(v0, v1, v2, v3), x, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05);
            Add<TCount>(SecondOf(v0, v1, v2, v3), x + second, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> FirstOf(Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3) => First == 0 ? v0 : First == 1 ? v1 : v2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> SecondOf(Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3) => Second == 1 ? v1 : Second == 2 ? v2 : v3;

    /// <summary>Adds a pair of classes to the lanes of an output, in the order of classes: one that comes after a class of the other pair is held back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(bool first, float* lanes, float* held, Vector256<float> c0, Vector256<float> c1)
    {
        Vector256<float> sum = Avx2Lanes.Start(first && TPair.Value == 0, lanes) + c0;
        if (TWeights.Interleaving != 4)
        {
            sum += c1;
        }
        else if (TPair.Value == 0)
        {
            c1.Store(held);
        }
        else
        {
            sum = sum + Vector256.Load(held) + c1;
        }

        sum.Store(lanes);
    }

    /// <summary>A class of the row times the same vectors of the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TCount>(
        Vector256<float> v, float* input, ref Vector256<float> a0, ref Vector256<float> a1, ref Vector256<float> a2, ref Vector256<float> a3, ref Vector256<float> a4, ref Vector256<float> a5)
        where TCount : struct, ICount
    {
        a0 = Fma.MultiplyAdd(v, Vector256.Load(input), a0);

        if (TCount.Value > 1)
        {
            a1 = Fma.MultiplyAdd(v, Vector256.Load(input + Vector256<float>.Count), a1);
        }

        if (TCount.Value > 2)
        {
            a2 = Fma.MultiplyAdd(v, Vector256.Load(input + (2 * Vector256<float>.Count)), a2);
        }

        if (TCount.Value > 3)
        {
            a3 = Fma.MultiplyAdd(v, Vector256.Load(input + (3 * Vector256<float>.Count)), a3);
        }

        if (TCount.Value > 4)
        {
            a4 = Fma.MultiplyAdd(v, Vector256.Load(input + (4 * Vector256<float>.Count)), a4);
        }

        if (TCount.Value > 5)
        {
            a5 = Fma.MultiplyAdd(v, Vector256.Load(input + (5 * Vector256<float>.Count)), a5);
        }
    }

    /// <summary>The same for weights of the long way, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddReduced<TCount>(
        Vector256<float> v, float* input, ref Vector256<float> a0, ref Vector256<float> a1, ref Vector256<float> a2, ref Vector256<float> a3, ref Vector256<float> a4, ref Vector256<float> a5)
        where TCount : struct, ICount
    {
        Vector256<float> factor = Vector256.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        a0 = Fma.MultiplyAdd(v, Vector256.Load(input) * factor, a0);

        if (TCount.Value > 1)
        {
            a1 = Fma.MultiplyAdd(v, Vector256.Load(input + Vector256<float>.Count) * factor, a1);
        }

        if (TCount.Value > 2)
        {
            a2 = Fma.MultiplyAdd(v, Vector256.Load(input + (2 * Vector256<float>.Count)) * factor, a2);
        }

        if (TCount.Value > 3)
        {
            a3 = Fma.MultiplyAdd(v, Vector256.Load(input + (3 * Vector256<float>.Count)) * factor, a3);
        }

        if (TCount.Value > 4)
        {
            a4 = Fma.MultiplyAdd(v, Vector256.Load(input + (4 * Vector256<float>.Count)) * factor, a4);
        }

        if (TCount.Value > 5)
        {
            a5 = Fma.MultiplyAdd(v, Vector256.Load(input + (5 * Vector256<float>.Count)) * factor, a5);
        }
    }
}
