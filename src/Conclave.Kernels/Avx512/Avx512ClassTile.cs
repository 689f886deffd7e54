using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// One class of a segment for weights of a byte: two weight rows at a time, decoded in registers, times seven to twelve inputs (fewer go by pairs). An input that is loaded serves both rows; 24 sums leave eight
/// registers. Kept apart from the methods that choose among numbers of inputs: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx512ClassTile<TWeights>
    where TWeights : struct, IAvx512Weights
{
    private const int GroupBytes = 4 * 16;

    // A class has every fourth byte.
    private const ulong Codes = 0x1111111111111111;

    // Where decoding has one way only, its inputs have one factor.
    private static bool HasLongWay
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.LoadInputFactor != TWeights.InputFactor;
    }

    /// <summary>See <see cref="IProjectionLoops.ClassTile"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run<TCount>(int ofClass, in ClassRows tile, float* inputs, in ClassSums unfinished, bool first)
        where TCount : struct, ICount
    {
        Vector512<uint> shift = Vector512.Create(24 - (8 * (uint)ofClass));
        ulong codes = Codes << ofClass;
        byte* ahead = tile.Ahead;
        nint step = 2 * tile.Step;
        for (int row = 0; row < tile.Rows; row += 2)
        {
            // The last row stands in for one that does not exist.
            int other = int.Min(row + 1, tile.Rows - 1);
            byte* p = tile.Weights + (row * tile.RowBytes);
            byte* q = tile.Weights + (other * tile.RowBytes);
            byte* end = p + (tile.Groups * GroupBytes);
            bool partial = tile.Tails is not null;
            ulong* small = unfinished.Small + (row * ClassSums.MostGroups);
            float* x = inputs;
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> a8 = default, a9 = default, a10 = default, a11 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            Vector512<float> b8 = default, b9 = default, b10 = default, b11 = default;
            while (true)
            {
                for (; p < end; p += GroupBytes, q += GroupBytes)
                {
                    Sse.Prefetch1(ahead);
                    ahead += step;
                    if (HasLongWay && ofClass == 0)
                    {
                        *small = TWeights.Small(p) | TWeights.Small(q);
                    }

                    bool isLong = HasLongWay && (*small & codes) != 0;
                    Vector512<float> v = TWeights.Class(ofClass, p, shift, isLong);
                    Vector512<float> w = TWeights.Class(ofClass, q, shift, isLong);
                    small++;
                    float* y = x;
                    if (isLong)
                    {
                        y = unfinished.Reduced;
                        for (int i = 0; i < TCount.Value * Vector512<float>.Count; i += Vector512<float>.Count)
                        {
                            (Vector512.Load(x + i) * (TWeights.LoadInputFactor / TWeights.InputFactor)).Store(y + i);
                        }
                    }

                    Vector512<float> x0 = Vector512.Load(y);
                    a0 = Avx512F.FusedMultiplyAdd(v, x0, a0);
                    b0 = Avx512F.FusedMultiplyAdd(w, x0, b0);

                    Vector512<float> x1 = Vector512.Load(y + Vector512<float>.Count);
                    a1 = Avx512F.FusedMultiplyAdd(v, x1, a1);
                    b1 = Avx512F.FusedMultiplyAdd(w, x1, b1);

                    Vector512<float> x2 = Vector512.Load(y + (2 * Vector512<float>.Count));
                    a2 = Avx512F.FusedMultiplyAdd(v, x2, a2);
                    b2 = Avx512F.FusedMultiplyAdd(w, x2, b2);

                    Vector512<float> x3 = Vector512.Load(y + (3 * Vector512<float>.Count));
                    a3 = Avx512F.FusedMultiplyAdd(v, x3, a3);
                    b3 = Avx512F.FusedMultiplyAdd(w, x3, b3);

                    Vector512<float> x4 = Vector512.Load(y + (4 * Vector512<float>.Count));
                    a4 = Avx512F.FusedMultiplyAdd(v, x4, a4);
                    b4 = Avx512F.FusedMultiplyAdd(w, x4, b4);

                    Vector512<float> x5 = Vector512.Load(y + (5 * Vector512<float>.Count));
                    a5 = Avx512F.FusedMultiplyAdd(v, x5, a5);
                    b5 = Avx512F.FusedMultiplyAdd(w, x5, b5);

                    Vector512<float> x6 = Vector512.Load(y + (6 * Vector512<float>.Count));
                    a6 = Avx512F.FusedMultiplyAdd(v, x6, a6);
                    b6 = Avx512F.FusedMultiplyAdd(w, x6, b6);

                    if (TCount.Value > 7)
                    {
                        Vector512<float> x7 = Vector512.Load(y + (7 * Vector512<float>.Count));
                        a7 = Avx512F.FusedMultiplyAdd(v, x7, a7);
                        b7 = Avx512F.FusedMultiplyAdd(w, x7, b7);
                    }

                    if (TCount.Value > 8)
                    {
                        Vector512<float> x8 = Vector512.Load(y + (8 * Vector512<float>.Count));
                        a8 = Avx512F.FusedMultiplyAdd(v, x8, a8);
                        b8 = Avx512F.FusedMultiplyAdd(w, x8, b8);
                    }

                    if (TCount.Value > 9)
                    {
                        Vector512<float> x9 = Vector512.Load(y + (9 * Vector512<float>.Count));
                        a9 = Avx512F.FusedMultiplyAdd(v, x9, a9);
                        b9 = Avx512F.FusedMultiplyAdd(w, x9, b9);
                    }

                    if (TCount.Value > 10)
                    {
                        Vector512<float> x10 = Vector512.Load(y + (10 * Vector512<float>.Count));
                        a10 = Avx512F.FusedMultiplyAdd(v, x10, a10);
                        b10 = Avx512F.FusedMultiplyAdd(w, x10, b10);
                    }

                    if (TCount.Value > 11)
                    {
                        Vector512<float> x11 = Vector512.Load(y + (11 * Vector512<float>.Count));
                        a11 = Avx512F.FusedMultiplyAdd(v, x11, a11);
                        b11 = Avx512F.FusedMultiplyAdd(w, x11, b11);
                    }

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
            (Avx512Lanes.Start(first, lanes) + a0).Store(lanes);
            (Avx512Lanes.Start(first, lanes + Vector512<float>.Count) + b0).Store(lanes + Vector512<float>.Count);

            (Avx512Lanes.Start(first, lanes + (4 * Vector512<float>.Count)) + a1).Store(lanes + (4 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (5 * Vector512<float>.Count)) + b1).Store(lanes + (5 * Vector512<float>.Count));

            (Avx512Lanes.Start(first, lanes + (8 * Vector512<float>.Count)) + a2).Store(lanes + (8 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (9 * Vector512<float>.Count)) + b2).Store(lanes + (9 * Vector512<float>.Count));

            (Avx512Lanes.Start(first, lanes + (12 * Vector512<float>.Count)) + a3).Store(lanes + (12 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (13 * Vector512<float>.Count)) + b3).Store(lanes + (13 * Vector512<float>.Count));

            (Avx512Lanes.Start(first, lanes + (16 * Vector512<float>.Count)) + a4).Store(lanes + (16 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (17 * Vector512<float>.Count)) + b4).Store(lanes + (17 * Vector512<float>.Count));

            (Avx512Lanes.Start(first, lanes + (20 * Vector512<float>.Count)) + a5).Store(lanes + (20 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (21 * Vector512<float>.Count)) + b5).Store(lanes + (21 * Vector512<float>.Count));

            (Avx512Lanes.Start(first, lanes + (24 * Vector512<float>.Count)) + a6).Store(lanes + (24 * Vector512<float>.Count));
            (Avx512Lanes.Start(first, lanes + (25 * Vector512<float>.Count)) + b6).Store(lanes + (25 * Vector512<float>.Count));

            if (TCount.Value > 7)
            {
                (Avx512Lanes.Start(first, lanes + (28 * Vector512<float>.Count)) + a7).Store(lanes + (28 * Vector512<float>.Count));
                (Avx512Lanes.Start(first, lanes + (29 * Vector512<float>.Count)) + b7).Store(lanes + (29 * Vector512<float>.Count));
            }

            if (TCount.Value > 8)
            {
                (Avx512Lanes.Start(first, lanes + (32 * Vector512<float>.Count)) + a8).Store(lanes + (32 * Vector512<float>.Count));
                (Avx512Lanes.Start(first, lanes + (33 * Vector512<float>.Count)) + b8).Store(lanes + (33 * Vector512<float>.Count));
            }

            if (TCount.Value > 9)
            {
                (Avx512Lanes.Start(first, lanes + (36 * Vector512<float>.Count)) + a9).Store(lanes + (36 * Vector512<float>.Count));
                (Avx512Lanes.Start(first, lanes + (37 * Vector512<float>.Count)) + b9).Store(lanes + (37 * Vector512<float>.Count));
            }

            if (TCount.Value > 10)
            {
                (Avx512Lanes.Start(first, lanes + (40 * Vector512<float>.Count)) + a10).Store(lanes + (40 * Vector512<float>.Count));
                (Avx512Lanes.Start(first, lanes + (41 * Vector512<float>.Count)) + b10).Store(lanes + (41 * Vector512<float>.Count));
            }

            if (TCount.Value > 11)
            {
                (Avx512Lanes.Start(first, lanes + (44 * Vector512<float>.Count)) + a11).Store(lanes + (44 * Vector512<float>.Count));
                (Avx512Lanes.Start(first, lanes + (45 * Vector512<float>.Count)) + b11).Store(lanes + (45 * Vector512<float>.Count));
            }
        }
    }
}
