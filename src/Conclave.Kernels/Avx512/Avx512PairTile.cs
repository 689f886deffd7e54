using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// A pair of classes of a segment for weights of one format: two weight rows at a time, decoded in registers, times up to six inputs. An input that is loaded serves both rows; 24 sums leave eight
/// registers. Kept apart from the methods that choose among numbers of inputs: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx512PairTile<TWeights, TPair>
    where TWeights : struct, IAvx512Weights
    where TPair : struct, ICount
{
    private static int GroupBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4 * Vector512<float>.Count * 4 / TWeights.Interleaving;
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

    // Where in a group of bytes the weights of these classes lie.
    private static ulong Codes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (0x1111111111111111UL << First) | (0x1111111111111111UL << Second);
    }

    /// <summary>See <see cref="IProjectionLoops.ClassTile"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run<TCount>(in ClassRows tile, float* inputs, nint classStride, in ClassSums unfinished, bool first)
        where TCount : struct, ICount
    {
        byte* ahead = tile.Ahead;
        nint step = tile.Step;
        nint second = (Second - First) * classStride;
        for (int row = 0; row < tile.Rows; row += 2)
        {
            // The last row stands in for one that does not exist.
            int other = int.Min(row + 1, tile.Rows - 1);
            byte* p = tile.Weights + (row * tile.RowBytes);
            byte* q = tile.Weights + (other * tile.RowBytes);
            byte* end = p + (tile.Groups * GroupBytes);
            bool partial = tile.Tails is not null;
            ulong* small = unfinished.Small + (row * ClassSums.MostGroups);
            float* x = inputs + (First * classStride);
            Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default, a04 = default, a05 = default;
            Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default, a14 = default, a15 = default;
            Vector512<float> b00 = default, b01 = default, b02 = default, b03 = default, b04 = default, b05 = default;
            Vector512<float> b10 = default, b11 = default, b12 = default, b13 = default, b14 = default, b15 = default;
            while (true)
            {
                for (; p < end; p += GroupBytes, q += GroupBytes)
                {
                    Prefetch(ahead, step);
                    ahead += 2 * step;
                    _ = TWeights.TryUnpack(p, out Vector512<uint> pa, out Vector512<uint> pb) & TWeights.TryUnpack(q, out Vector512<uint> qa, out Vector512<uint> qb);
                    if (TPair.Value == 0 && HasLongWay)
                    {
                        *small = TWeights.Small(p) | TWeights.Small(q);
                    }

                    if (HasLongWay && (*small & Codes) != 0)
                    {
                        TWeights.LoadHalves(p, out pa, out pb);
                        TWeights.LoadHalves(q, out qa, out qb);
                        AddReduced<TCount>(TWeights.Vector(First, p, pa, pb), TWeights.Vector(First, q, qa, qb), x, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05, ref b00, ref b01, ref b02, ref b03, ref b04, ref b05);
                        AddReduced<TCount>(TWeights.Vector(Second, p, pa, pb), TWeights.Vector(Second, q, qa, qb), x + second, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15, ref b10, ref b11, ref b12, ref b13, ref b14, ref b15);
                    }
                    else
                    {
                        Add<TCount>(TWeights.Vector(First, p, pa, pb), TWeights.Vector(First, q, qa, qb), x, ref a00, ref a01, ref a02, ref a03, ref a04, ref a05, ref b00, ref b01, ref b02, ref b03, ref b04, ref b05);
                        Add<TCount>(TWeights.Vector(Second, p, pa, pb), TWeights.Vector(Second, q, qa, qb), x + second, ref a10, ref a11, ref a12, ref a13, ref a14, ref a15, ref b10, ref b11, ref b12, ref b13, ref b14, ref b15);
                    }

                    small++;
                    x += TCount.Value * Vector512<float>.Count;
                }

                if (!partial)
                {
                    break;
                }

                p = tile.Tails + (row * GroupBytes);
                q = tile.Tails + (other * GroupBytes);
                end = p + GroupBytes;
                partial = false;
            }

            float* lanes = unfinished.Lanes + (((row / 4 * 4 * TCount.Value) + (row % 4)) * Vector512<float>.Count);
            float* held = unfinished.Held + (((row / 4 * 4 * TCount.Value) + (row % 4)) * Vector512<float>.Count);
            Finish(first, lanes, held, a00, a10);
            Finish(first, lanes + Vector512<float>.Count, held + Vector512<float>.Count, b00, b10);

            if (TCount.Value > 1)
            {
                Finish(first, lanes + (4 * Vector512<float>.Count), held + (4 * Vector512<float>.Count), a01, a11);
                Finish(first, lanes + (5 * Vector512<float>.Count), held + (5 * Vector512<float>.Count), b01, b11);
            }

            if (TCount.Value > 2)
            {
                Finish(first, lanes + (8 * Vector512<float>.Count), held + (8 * Vector512<float>.Count), a02, a12);
                Finish(first, lanes + (9 * Vector512<float>.Count), held + (9 * Vector512<float>.Count), b02, b12);
            }

            if (TCount.Value > 3)
            {
                Finish(first, lanes + (12 * Vector512<float>.Count), held + (12 * Vector512<float>.Count), a03, a13);
                Finish(first, lanes + (13 * Vector512<float>.Count), held + (13 * Vector512<float>.Count), b03, b13);
            }

            if (TCount.Value > 4)
            {
                Finish(first, lanes + (16 * Vector512<float>.Count), held + (16 * Vector512<float>.Count), a04, a14);
                Finish(first, lanes + (17 * Vector512<float>.Count), held + (17 * Vector512<float>.Count), b04, b14);
            }

            if (TCount.Value > 5)
            {
                Finish(first, lanes + (20 * Vector512<float>.Count), held + (20 * Vector512<float>.Count), a05, a15);
                Finish(first, lanes + (21 * Vector512<float>.Count), held + (21 * Vector512<float>.Count), b05, b15);
            }
        }
    }

    /// <summary>Asks for what two rows have in a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* ahead, nint step)
    {
        Sse.Prefetch1(ahead);
        if (GroupBytes > 64)
        {
            Sse.Prefetch1(ahead + step);
        }

        if (GroupBytes > 128)
        {
            Sse.Prefetch1(ahead + (step / 2));
            Sse.Prefetch1(ahead + (step * 3 / 2));
        }
    }

    /// <summary>Adds a pair of classes to the lanes of an output, in the order of classes: one that comes after a class of the other pair is held back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(bool first, float* lanes, float* held, Vector512<float> c0, Vector512<float> c1)
    {
        Vector512<float> sum = Avx512Lanes.Start(first && TPair.Value == 0, lanes) + c0;
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
            sum = sum + Vector512.Load(held) + c1;
        }

        sum.Store(lanes);
    }

    /// <summary>A class of these rows times the same vectors of the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TCount>(
        Vector512<float> v, Vector512<float> w, float* input,
        ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3, ref Vector512<float> a4, ref Vector512<float> a5,
        ref Vector512<float> b0, ref Vector512<float> b1, ref Vector512<float> b2, ref Vector512<float> b3, ref Vector512<float> b4, ref Vector512<float> b5)
        where TCount : struct, ICount
    {
        Vector512<float> x0 = Vector512.Load(input);
        a0 = Avx512F.FusedMultiplyAdd(v, x0, a0);
        b0 = Avx512F.FusedMultiplyAdd(w, x0, b0);

        if (TCount.Value > 1)
        {
            Vector512<float> x1 = Vector512.Load(input + Vector512<float>.Count);
            a1 = Avx512F.FusedMultiplyAdd(v, x1, a1);
            b1 = Avx512F.FusedMultiplyAdd(w, x1, b1);
        }

        if (TCount.Value > 2)
        {
            Vector512<float> x2 = Vector512.Load(input + (2 * Vector512<float>.Count));
            a2 = Avx512F.FusedMultiplyAdd(v, x2, a2);
            b2 = Avx512F.FusedMultiplyAdd(w, x2, b2);
        }

        if (TCount.Value > 3)
        {
            Vector512<float> x3 = Vector512.Load(input + (3 * Vector512<float>.Count));
            a3 = Avx512F.FusedMultiplyAdd(v, x3, a3);
            b3 = Avx512F.FusedMultiplyAdd(w, x3, b3);
        }

        if (TCount.Value > 4)
        {
            Vector512<float> x4 = Vector512.Load(input + (4 * Vector512<float>.Count));
            a4 = Avx512F.FusedMultiplyAdd(v, x4, a4);
            b4 = Avx512F.FusedMultiplyAdd(w, x4, b4);
        }

        if (TCount.Value > 5)
        {
            Vector512<float> x5 = Vector512.Load(input + (5 * Vector512<float>.Count));
            a5 = Avx512F.FusedMultiplyAdd(v, x5, a5);
            b5 = Avx512F.FusedMultiplyAdd(w, x5, b5);
        }
    }

    /// <summary>The same for weights of the long way, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddReduced<TCount>(
        Vector512<float> v, Vector512<float> w, float* input,
        ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3, ref Vector512<float> a4, ref Vector512<float> a5,
        ref Vector512<float> b0, ref Vector512<float> b1, ref Vector512<float> b2, ref Vector512<float> b3, ref Vector512<float> b4, ref Vector512<float> b5)
        where TCount : struct, ICount
    {
        Vector512<float> factor = Vector512.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        Vector512<float> x0 = Vector512.Load(input) * factor;
        a0 = Avx512F.FusedMultiplyAdd(v, x0, a0);
        b0 = Avx512F.FusedMultiplyAdd(w, x0, b0);

        if (TCount.Value > 1)
        {
            Vector512<float> x1 = Vector512.Load(input + Vector512<float>.Count) * factor;
            a1 = Avx512F.FusedMultiplyAdd(v, x1, a1);
            b1 = Avx512F.FusedMultiplyAdd(w, x1, b1);
        }

        if (TCount.Value > 2)
        {
            Vector512<float> x2 = Vector512.Load(input + (2 * Vector512<float>.Count)) * factor;
            a2 = Avx512F.FusedMultiplyAdd(v, x2, a2);
            b2 = Avx512F.FusedMultiplyAdd(w, x2, b2);
        }

        if (TCount.Value > 3)
        {
            Vector512<float> x3 = Vector512.Load(input + (3 * Vector512<float>.Count)) * factor;
            a3 = Avx512F.FusedMultiplyAdd(v, x3, a3);
            b3 = Avx512F.FusedMultiplyAdd(w, x3, b3);
        }

        if (TCount.Value > 4)
        {
            Vector512<float> x4 = Vector512.Load(input + (4 * Vector512<float>.Count)) * factor;
            a4 = Avx512F.FusedMultiplyAdd(v, x4, a4);
            b4 = Avx512F.FusedMultiplyAdd(w, x4, b4);
        }

        if (TCount.Value > 5)
        {
            Vector512<float> x5 = Vector512.Load(input + (5 * Vector512<float>.Count)) * factor;
            a5 = Avx512F.FusedMultiplyAdd(v, x5, a5);
            b5 = Avx512F.FusedMultiplyAdd(w, x5, b5);
        }
    }
}
