using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// The inner loops of projections with AVX2 and FMA, for weights of one format. Those with a number of inputs as a type argument are kept apart from the methods that
/// choose among them: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal readonly unsafe struct Avx2Loops<TWeights> : IProjectionLoops
    where TWeights : struct, IAvx2Weights
{
    // What AMD's Zen 3 reads fastest with, of those that were tried: four kilobytes were slower for FP8 and more so for BF16, and less than one for FP8.
    private const int PrefetchDistance = 1536;
    private const int CacheLine = 64;

    private static int GroupBytes => Group * ElementBytes;

    // Where decoding has one way only, its inputs have one factor.
    private static bool HasLongWay
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.LoadInputFactor != TWeights.InputFactor;
    }

    // Where two groups are a cache line.
    private static bool IsHalfLine
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TWeights.Interleaving == 4 && TWeights.IsShort;
    }

    /// <inheritdoc/>
    public static int Lanes => Vector256<float>.Count;

    /// <inheritdoc/>
    public static int Group => 4 * Vector256<float>.Count;

    /// <inheritdoc/>
    public static int ElementBytes => 4 / TWeights.Interleaving;

    /// <inheritdoc/>
    public static float InputFactor => TWeights.InputFactor;

    /// <inheritdoc/>
    public static float TileInputFactor => TWeights.LoadInputFactor;

    /// <inheritdoc/>
    public static float OutputFactor => TWeights.OutputFactor;

    /// <inheritdoc/>
    public static int GemvInputs => 2;

    /// <inheritdoc/>
    public static int TileInputs => 3;

    /// <inheritdoc/>
    public static int TilesTogether => 8;

    /// <inheritdoc/>
    public static int ClassInputs => 6;

    /// <inheritdoc/>
    public static int ClassesTogether(int count) => 2;

    /// <inheritdoc/>
    public static int MostClassInputs => TWeights.MostClassInputs;

    /// <inheritdoc/>
    public static int PanelRows => 32;

    /// <inheritdoc/>
    public static int Streams(int inputs) => 4;

    /// <inheritdoc/>
    public static int Stream(int streams, int ofClass) => ofClass;

    /// <inheritdoc/>
    public static void Arrange(float* natural, float factor, float* arranged, nint stride, nint classStride, nint groups)
    {
        Vector256<float> scale = Vector256.Create(factor);
        for (nint g = 0; g < groups; g++)
        {
            Interleave(natural, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);
            (v0 * scale).Store(arranged);
            (v1 * scale).Store(arranged + classStride);
            (v2 * scale).Store(arranged + (2 * classStride));
            (v3 * scale).Store(arranged + (3 * classStride));
            natural += Group;
            arranged += stride;
        }
    }

    /// <inheritdoc/>
    public static void Decode(int streams, byte* weights, float* decoded, nint stride, nint streamStride, nint groups)
    {
        Avx2Masks masks = TWeights.Masks();
        for (nint g = 0; g < groups; g++)
        {
            TWeights.Load(weights, masks, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);
            v0.Store(decoded);
            v1.Store(decoded + streamStride);
            v2.Store(decoded + (2 * streamStride));
            v3.Store(decoded + (3 * streamStride));
            weights += GroupBytes;
            decoded += stride;
        }
    }

    /// <inheritdoc/>
    public static void Pack(float* natural, float* scales, float* packed, nint stride, nint classStride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            Interleave(natural, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);
            if (scales is not null)
            {
                v0 *= Vector256.Load(scales);
                v1 *= Vector256.Load(scales + Vector256<float>.Count);
                v2 *= Vector256.Load(scales + (2 * Vector256<float>.Count));
                v3 *= Vector256.Load(scales + (3 * Vector256<float>.Count));
                scales += Group;
            }

            v0.Store(packed);
            v1.Store(packed + classStride);
            v2.Store(packed + (2 * classStride));
            v3.Store(packed + (3 * classStride));
            natural += Group;
            packed += stride;
        }
    }

    /// <inheritdoc/>
    public static void Gemv(
        int count, byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums)
    {
        switch (count)
        {
            case 1:
                Gemv<One>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
            default:
                Gemv<Two>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
        }
    }

    /// <inheritdoc/>
    public static void Tile(int count, int streams, int ofClass, float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
    {
        switch (count)
        {
            case 1:
                Tile<One>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 2:
                Tile<Two>(weights, inputs, vectors, lanes, first, sums);
                break;
            default:
                Tile<Three>(weights, inputs, vectors, lanes, first, sums);
                break;
        }
    }

    /// <inheritdoc/>
    public static void ClassTile(int count, int pass, in ClassRows rows, float* inputs, nint classStride, in ClassSums unfinished, bool first)
    {
        if (pass == 0)
        {
            PairTile<Zero>(count, rows, inputs, classStride, unfinished, first);
        }
        else
        {
            PairTile<One>(count, rows, inputs, classStride, unfinished, first);
        }
    }

    /// <inheritdoc/>
    public static void ShortTile(int count, int rows, float* weights, float* inputs, nint groups, float* output, nint outputStride) =>
        Avx2ShortTile.Run(count, rows, weights, inputs, groups, OutputFactor, output, outputStride);

    /// <inheritdoc/>
    public static void AddLanes(int count, float* lanes, float* sums) => Avx2Lanes.Sum(count, lanes, sums);

    private static void PairTile<TPair>(int count, in ClassRows rows, float* inputs, nint classStride, in ClassSums unfinished, bool first)
        where TPair : struct, ICount
    {
        switch (count)
        {
            case 1:
                Avx2PairTile<TWeights, TPair>.Run<One>(rows, inputs, classStride, unfinished, first);
                break;
            case 2:
                Avx2PairTile<TWeights, TPair>.Run<Two>(rows, inputs, classStride, unfinished, first);
                break;
            case 3:
                Avx2PairTile<TWeights, TPair>.Run<Three>(rows, inputs, classStride, unfinished, first);
                break;
            case 4:
                Avx2PairTile<TWeights, TPair>.Run<Four>(rows, inputs, classStride, unfinished, first);
                break;
            case 5:
                Avx2PairTile<TWeights, TPair>.Run<Five>(rows, inputs, classStride, unfinished, first);
                break;
            default:
                Avx2PairTile<TWeights, TPair>.Run<Six>(rows, inputs, classStride, unfinished, first);
                break;
        }
    }

    /// <summary>One row after the other, since memory is read fastest as one stream; the four classes keep the multiply-adds apart.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Gemv<TCount>(
        byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums)
        where TCount : struct, ICount
    {
        Avx2Masks masks = TWeights.Masks();
        nint total = groups + (tails is null ? 0 : 1);
        for (int row = 0; row < 4; row++)
        {
            // The last row stands in for those that do not exist.
            int source = int.Min(row, rows - 1);
            byte* p = weights + (source * rowBytes);
            float* x = inputs;
            float* own = lanes + (row * Vector256<float>.Count);
            for (nint start = 0; start < total; start += segment)
            {
                Vector256<float> a00 = default, a01 = default, a02 = default, a03 = default;
                Vector256<float> a10 = default, a11 = default, a12 = default, a13 = default;
                byte* end = p + (nint.Min(segment, groups - start) * GroupBytes);
                bool partial = tails is not null && total - start <= segment;
                while (true)
                {
                    if (IsHalfLine && end - p >= CacheLine)
                    {
                        byte* last = end - CacheLine;
                        do
                        {
                            Sse.Prefetch0(p + PrefetchDistance);
                            AddGroup<TCount>(p, masks, x, inputStride, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13);
                            AddGroup<TCount>(p + GroupBytes, masks, x + Group, inputStride, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13);
                            x += 2 * Group;
                            p += CacheLine;
                        }
                        while (p <= last);
                    }

                    for (; p < end; p += GroupBytes)
                    {
                        Prefetch(p + PrefetchDistance);
                        AddGroup<TCount>(p, masks, x, inputStride, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13);
                        x += Group;
                    }

                    if (!partial)
                    {
                        break;
                    }

                    p = tails + (source * GroupBytes);
                    end = p + GroupBytes;
                    partial = false;
                }

                bool first = start == 0;
                (Avx2Lanes.Start(first, own) + a00 + a01 + a02 + a03).Store(own);
                if (TCount.Value > 1)
                {
                    (Avx2Lanes.Start(first, own + (4 * Vector256<float>.Count)) + a10 + a11 + a12 + a13).Store(own + (4 * Vector256<float>.Count));
                }
            }
        }

        Avx2Lanes.Sum(TCount.Value, lanes, sums);
    }

    /// <summary>A group of weights times those of one or two inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddGroup<TCount>(
        byte* p, in Avx2Masks masks, float* x, nint inputStride,
        ref Vector256<float> a00, ref Vector256<float> a01, ref Vector256<float> a02, ref Vector256<float> a03,
        ref Vector256<float> a10, ref Vector256<float> a11, ref Vector256<float> a12, ref Vector256<float> a13)
        where TCount : struct, ICount
    {
        Vector256<float> v0 = default, v1 = default, v2 = default, v3 = default;
        if (HasLongWay && !TWeights.TryLoad(p, masks, out v0, out v1, out v2, out v3))
        {
            TWeights.Load(p, masks, out v0, out v1, out v2, out v3);
            AddReduced(v0, v1, v2, v3, x, ref a00, ref a01, ref a02, ref a03);
            if (TCount.Value > 1)
            {
                AddReduced(v0, v1, v2, v3, x + inputStride, ref a10, ref a11, ref a12, ref a13);
            }

            return;
        }

        if (!HasLongWay)
        {
            TWeights.Load(p, masks, out v0, out v1, out v2, out v3);
        }

        Add(v0, v1, v2, v3, x, ref a00, ref a01, ref a02, ref a03);
        if (TCount.Value > 1)
        {
            Add(v0, v1, v2, v3, x + inputStride, ref a10, ref a11, ref a12, ref a13);
        }
    }

    /// <summary>Asks for the bytes of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* address)
    {
        Sse.Prefetch0(address);
        if (GroupBytes > CacheLine)
        {
            Sse.Prefetch0(address + CacheLine);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3, float* input, ref Vector256<float> a0, ref Vector256<float> a1, ref Vector256<float> a2, ref Vector256<float> a3)
    {
        a0 = Fma.MultiplyAdd(v0, Vector256.Load(input), a0);
        a1 = Fma.MultiplyAdd(v1, Vector256.Load(input + Vector256<float>.Count), a1);
        a2 = Fma.MultiplyAdd(v2, Vector256.Load(input + (2 * Vector256<float>.Count)), a2);
        a3 = Fma.MultiplyAdd(v3, Vector256.Load(input + (3 * Vector256<float>.Count)), a3);
    }

    /// <summary>For weights of <c>Load</c>, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddReduced(
        Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3, float* input, ref Vector256<float> a0, ref Vector256<float> a1, ref Vector256<float> a2, ref Vector256<float> a3)
    {
        Vector256<float> factor = Vector256.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        a0 = Fma.MultiplyAdd(v0, Vector256.Load(input) * factor, a0);
        a1 = Fma.MultiplyAdd(v1, Vector256.Load(input + Vector256<float>.Count) * factor, a1);
        a2 = Fma.MultiplyAdd(v2, Vector256.Load(input + (2 * Vector256<float>.Count)) * factor, a2);
        a3 = Fma.MultiplyAdd(v3, Vector256.Load(input + (3 * Vector256<float>.Count)) * factor, a3);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Tile<TCount>(float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
        where TCount : struct, ICount
    {
        Vector256<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector256<float> a10 = default, a11 = default, a12 = default, a13 = default;
        Vector256<float> a20 = default, a21 = default, a22 = default, a23 = default;

        // What the sums are added to at the end comes out of a cache farther away. Panels are read in order, which the core foresees by itself. Four vectors in a step leave little but multiply-adds and
        // loads to a core whose other half decodes instructions of its own.
        float* ahead = lanes;
        for (; vectors >= 4; vectors -= 4)
        {
            Sse.Prefetch0(ahead);
            ahead += CacheLine / sizeof(float);
            AddVector<TCount>(weights, inputs, 0, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13, ref a20, ref a21, ref a22, ref a23);
            AddVector<TCount>(weights, inputs, 1, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13, ref a20, ref a21, ref a22, ref a23);
            AddVector<TCount>(weights, inputs, 2, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13, ref a20, ref a21, ref a22, ref a23);
            AddVector<TCount>(weights, inputs, 3, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13, ref a20, ref a21, ref a22, ref a23);
            weights += 16 * Vector256<float>.Count;
            inputs += 4 * TCount.Value * Vector256<float>.Count;
        }

        for (; vectors > 0; vectors--)
        {
            AddVector<TCount>(weights, inputs, 0, ref a00, ref a01, ref a02, ref a03, ref a10, ref a11, ref a12, ref a13, ref a20, ref a21, ref a22, ref a23);
            weights += 4 * Vector256<float>.Count;
            inputs += TCount.Value * Vector256<float>.Count;
        }

        Finish(a00, a01, a02, a03, lanes, first, sums);
        if (TCount.Value > 1)
        {
            Finish(a10, a11, a12, a13, lanes + (4 * Vector256<float>.Count), first, sums is null ? null : sums + 4);
        }

        if (TCount.Value > 2)
        {
            Finish(a20, a21, a22, a23, lanes + (8 * Vector256<float>.Count), first, sums is null ? null : sums + 8);
        }
    }

    /// <summary>A vector of each of four weight rows times those of all inputs, the number <paramref name="v"/> from where they begin.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddVector<TCount>(
        float* weights, float* inputs, int v,
        ref Vector256<float> a00, ref Vector256<float> a01, ref Vector256<float> a02, ref Vector256<float> a03,
        ref Vector256<float> a10, ref Vector256<float> a11, ref Vector256<float> a12, ref Vector256<float> a13,
        ref Vector256<float> a20, ref Vector256<float> a21, ref Vector256<float> a22, ref Vector256<float> a23)
        where TCount : struct, ICount
    {
        weights += v * 4 * Vector256<float>.Count;
        inputs += v * TCount.Value * Vector256<float>.Count;
        Vector256<float> x0 = Vector256.Load(inputs);
        Vector256<float> x1 = TCount.Value > 1 ? Vector256.Load(inputs + Vector256<float>.Count) : default;
        Vector256<float> x2 = TCount.Value > 2 ? Vector256.Load(inputs + (2 * Vector256<float>.Count)) : default;
        AddRow<TCount>(weights, x0, x1, x2, ref a00, ref a10, ref a20);
        AddRow<TCount>(weights + Vector256<float>.Count, x0, x1, x2, ref a01, ref a11, ref a21);
        AddRow<TCount>(weights + (2 * Vector256<float>.Count), x0, x1, x2, ref a02, ref a12, ref a22);
        AddRow<TCount>(weights + (3 * Vector256<float>.Count), x0, x1, x2, ref a03, ref a13, ref a23);
    }

    /// <summary>
    /// A vector of a weight row times those of all inputs. Twelve sums and three inputs leave one register of sixteen: rows come one at a time, since a sum that is kept in memory is waited for in every step.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<TCount>(
        float* weights, Vector256<float> x0, Vector256<float> x1, Vector256<float> x2, ref Vector256<float> a0, ref Vector256<float> a1, ref Vector256<float> a2)
        where TCount : struct, ICount
    {
        Vector256<float> w = Vector256.Load(weights);
        a0 = Fma.MultiplyAdd(w, x0, a0);
        if (TCount.Value > 1)
        {
            a1 = Fma.MultiplyAdd(w, x1, a1);
        }

        if (TCount.Value > 2)
        {
            a2 = Fma.MultiplyAdd(w, x2, a2);
        }
    }

    /// <summary>Adds the sums of four rows and an input to what lies in memory, or, if it is the last time, adds up their lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, float* lanes, bool first, float* sums)
    {
        a = Avx2Lanes.Start(first, lanes) + a;
        b = Avx2Lanes.Start(first, lanes + Vector256<float>.Count) + b;
        c = Avx2Lanes.Start(first, lanes + (2 * Vector256<float>.Count)) + c;
        d = Avx2Lanes.Start(first, lanes + (3 * Vector256<float>.Count)) + d;
        if (sums is not null)
        {
            Avx2Lanes.Sum(a, b, c, d).Store(sums);
            return;
        }

        a.Store(lanes);
        b.Store(lanes + Vector256<float>.Count);
        c.Store(lanes + (2 * Vector256<float>.Count));
        d.Store(lanes + (3 * Vector256<float>.Count));
    }

    /// <summary>A group of natural order in the order of decoded weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(float* natural, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3)
    {
        if (TWeights.Interleaving == 1)
        {
            v0 = Vector256.Load(natural);
            v1 = Vector256.Load(natural + 8);
            v2 = Vector256.Load(natural + 16);
            v3 = Vector256.Load(natural + 24);
        }
        else if (TWeights.Interleaving == 2)
        {
            Vector256<float> low = Halves(natural, natural + 8);
            Vector256<float> high = Halves(natural + 4, natural + 12);
            v0 = Avx.Shuffle(low, high, 0x88);
            v1 = Avx.Shuffle(low, high, 0xDD);
            low = Halves(natural + 16, natural + 24);
            high = Halves(natural + 20, natural + 28);
            v2 = Avx.Shuffle(low, high, 0x88);
            v3 = Avx.Shuffle(low, high, 0xDD);
        }
        else
        {
            // Four rows of four elements are transposed in each half.
            Vector256<float> r0 = Halves(natural, natural + 16);
            Vector256<float> r1 = Halves(natural + 4, natural + 20);
            Vector256<float> r2 = Halves(natural + 8, natural + 24);
            Vector256<float> r3 = Halves(natural + 12, natural + 28);
            Vector256<float> low01 = Avx.Shuffle(r0, r1, 0x44);
            Vector256<float> high01 = Avx.Shuffle(r0, r1, 0xEE);
            Vector256<float> low23 = Avx.Shuffle(r2, r3, 0x44);
            Vector256<float> high23 = Avx.Shuffle(r2, r3, 0xEE);
            v0 = Avx.Shuffle(low01, low23, 0x88);
            v1 = Avx.Shuffle(low01, low23, 0xDD);
            v2 = Avx.Shuffle(high01, high23, 0x88);
            v3 = Avx.Shuffle(high01, high23, 0xDD);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(float* low, float* high) => Vector256.Create(Vector128.Load(low), Vector128.Load(high));
}
