using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// One class of a segment for weights of a byte: two weight rows at a time, decoded in registers, times four to six inputs (fewer go by pairs). An input that is loaded serves both rows; twelve sums leave four
/// registers. Kept apart from the methods that choose among numbers of inputs: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx2ClassTile<TWeights>
    where TWeights : struct, IAvx2Weights
{
    private const int GroupBytes = 4 * 8;

    // A class has every fourth byte.
    private const ulong Codes = 0x11111111;

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
        Vector256<uint> shift = Vector256.Create(24 - (8 * (uint)ofClass));
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
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default;
            Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default;
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
                    Vector256<float> v = TWeights.Class(ofClass, p, shift, isLong);
                    Vector256<float> w = TWeights.Class(ofClass, q, shift, isLong);
                    small++;
                    float* y = x;
                    if (isLong)
                    {
                        y = unfinished.Reduced;
                        for (int i = 0; i < TCount.Value * Vector256<float>.Count; i += Vector256<float>.Count)
                        {
                            (Vector256.Load(x + i) * (TWeights.LoadInputFactor / TWeights.InputFactor)).Store(y + i);
                        }
                    }

                    Vector256<float> x0 = Vector256.Load(y);
                    a0 = Fma.MultiplyAdd(v, x0, a0);
                    b0 = Fma.MultiplyAdd(w, x0, b0);

                    Vector256<float> x1 = Vector256.Load(y + Vector256<float>.Count);
                    a1 = Fma.MultiplyAdd(v, x1, a1);
                    b1 = Fma.MultiplyAdd(w, x1, b1);

                    Vector256<float> x2 = Vector256.Load(y + (2 * Vector256<float>.Count));
                    a2 = Fma.MultiplyAdd(v, x2, a2);
                    b2 = Fma.MultiplyAdd(w, x2, b2);

                    Vector256<float> x3 = Vector256.Load(y + (3 * Vector256<float>.Count));
                    a3 = Fma.MultiplyAdd(v, x3, a3);
                    b3 = Fma.MultiplyAdd(w, x3, b3);

                    if (TCount.Value > 4)
                    {
                        Vector256<float> x4 = Vector256.Load(y + (4 * Vector256<float>.Count));
                        a4 = Fma.MultiplyAdd(v, x4, a4);
                        b4 = Fma.MultiplyAdd(w, x4, b4);
                    }

                    if (TCount.Value > 5)
                    {
                        Vector256<float> x5 = Vector256.Load(y + (5 * Vector256<float>.Count));
                        a5 = Fma.MultiplyAdd(v, x5, a5);
                        b5 = Fma.MultiplyAdd(w, x5, b5);
                    }

                    x += TCount.Value * Vector256<float>.Count;
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

            float* lanes = unfinished.Lanes + (((row / 4 * 4 * TCount.Value) + (row % 4)) * Vector256<float>.Count);
            (Avx2Lanes.Start(first, lanes) + a0).Store(lanes);
            (Avx2Lanes.Start(first, lanes + Vector256<float>.Count) + b0).Store(lanes + Vector256<float>.Count);

            (Avx2Lanes.Start(first, lanes + (4 * Vector256<float>.Count)) + a1).Store(lanes + (4 * Vector256<float>.Count));
            (Avx2Lanes.Start(first, lanes + (5 * Vector256<float>.Count)) + b1).Store(lanes + (5 * Vector256<float>.Count));

            (Avx2Lanes.Start(first, lanes + (8 * Vector256<float>.Count)) + a2).Store(lanes + (8 * Vector256<float>.Count));
            (Avx2Lanes.Start(first, lanes + (9 * Vector256<float>.Count)) + b2).Store(lanes + (9 * Vector256<float>.Count));

            (Avx2Lanes.Start(first, lanes + (12 * Vector256<float>.Count)) + a3).Store(lanes + (12 * Vector256<float>.Count));
            (Avx2Lanes.Start(first, lanes + (13 * Vector256<float>.Count)) + b3).Store(lanes + (13 * Vector256<float>.Count));

            if (TCount.Value > 4)
            {
                (Avx2Lanes.Start(first, lanes + (16 * Vector256<float>.Count)) + a4).Store(lanes + (16 * Vector256<float>.Count));
                (Avx2Lanes.Start(first, lanes + (17 * Vector256<float>.Count)) + b4).Store(lanes + (17 * Vector256<float>.Count));
            }

            if (TCount.Value > 5)
            {
                (Avx2Lanes.Start(first, lanes + (20 * Vector256<float>.Count)) + a5).Store(lanes + (20 * Vector256<float>.Count));
                (Avx2Lanes.Start(first, lanes + (21 * Vector256<float>.Count)) + b5).Store(lanes + (21 * Vector256<float>.Count));
            }
        }
    }
}
