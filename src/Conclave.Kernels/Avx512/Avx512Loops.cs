using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// The inner loops of projections with AVX-512, for weights of one format. Those with a number of inputs as a type argument are kept apart from the methods that
/// choose among them: inlined there, one size takes the compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal readonly unsafe struct Avx512Loops<TWeights> : IProjectionLoops
    where TWeights : struct, IAvx512Weights
{
    // Farther than the prefetcher of the second cache has looked when a row begins; near enough to be there still when it is read.
    private const int PrefetchDistance = 4096;
    private const int CacheLine = 64;

    private static int GroupBytes => Group * ElementBytes;

    /// <inheritdoc/>
    public static int Lanes => Vector512<float>.Count;

    /// <inheritdoc/>
    public static int Group => 4 * Vector512<float>.Count;

    /// <inheritdoc/>
    public static int ElementBytes => 4 / TWeights.Interleaving;

    /// <inheritdoc/>
    public static float InputFactor => TWeights.InputFactor;

    /// <inheritdoc/>
    public static float TileInputFactor => TWeights.LoadInputFactor;

    /// <inheritdoc/>
    public static float OutputFactor => TWeights.OutputFactor;

    /// <inheritdoc/>
    public static int GemvInputs => 4;

    /// <inheritdoc/>
    public static int TileInputs => 6;

    /// <inheritdoc/>
    public static void Arrange(float* natural, float factor, float* arranged, nint stride, nint classStride, nint groups)
    {
        Vector512<float> scale = Vector512.Create(factor);
        for (nint g = 0; g < groups; g++)
        {
            Interleave(natural, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
            (v0 * scale).Store(arranged);
            (v1 * scale).Store(arranged + classStride);
            (v2 * scale).Store(arranged + (2 * classStride));
            (v3 * scale).Store(arranged + (3 * classStride));
            natural += Group;
            arranged += stride;
        }
    }

    /// <inheritdoc/>
    public static void Decode(byte* weights, float* decoded, nint stride, nint classStride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            TWeights.Load(weights, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
            v0.Store(decoded);
            v1.Store(decoded + classStride);
            v2.Store(decoded + (2 * classStride));
            v3.Store(decoded + (3 * classStride));
            weights += GroupBytes;
            decoded += stride;
        }
    }

    /// <inheritdoc/>
    public static void Scale(int count, float* packed, float* scales, float* scaled, nint vectors)
    {
        for (nint v = 0; v < vectors; v++)
        {
            Vector512<float> scale = Vector512.Load(scales);
            for (int i = 0; i < count; i++)
            {
                (Vector512.Load(packed) * scale).Store(scaled);
                packed += Vector512<float>.Count;
                scaled += Vector512<float>.Count;
            }

            scales += Vector512<float>.Count;
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
            case 2:
                Gemv<Two>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
            case 3:
                Gemv<Three>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
            default:
                Gemv<Four>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
        }
    }

    /// <inheritdoc/>
    public static void Tile(int count, float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
    {
        switch (count)
        {
            case 1:
                Tile<One>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 2:
                Tile<Two>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 3:
                Tile<Three>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 4:
                Tile<Four>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 5:
                Tile<Five>(weights, inputs, vectors, lanes, first, sums);
                break;
            default:
                Tile<Six>(weights, inputs, vectors, lanes, first, sums);
                break;
        }
    }

    /// <summary>One row after the other, since memory is read fastest as one stream; the four classes keep the multiply-adds apart.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Gemv<TCount>(
        byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums)
        where TCount : struct, ICount
    {
        nint total = groups + (tails is null ? 0 : 1);
        for (int row = 0; row < 4; row++)
        {
            // The last row stands in for those that do not exist.
            int source = int.Min(row, rows - 1);
            byte* p = weights + (source * rowBytes);
            float* x = inputs;
            float* own = lanes + (row * Vector512<float>.Count);
            for (nint start = 0; start < total; start += segment)
            {
                Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default;
                Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default;
                Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default;
                Vector512<float> a30 = default, a31 = default, a32 = default, a33 = default;
                byte* end = p + (nint.Min(segment, groups - start) * GroupBytes);
                bool partial = tails is not null && total - start <= segment;
                while (true)
                {
                    for (; p < end; p += GroupBytes)
                    {
                        Prefetch(p + PrefetchDistance);
                        if (TWeights.TryLoad(p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3))
                        {
                            Add(v0, v1, v2, v3, x, ref a00, ref a01, ref a02, ref a03);
                            if (TCount.Value > 1)
                            {
                                Add(v0, v1, v2, v3, x + inputStride, ref a10, ref a11, ref a12, ref a13);
                            }

                            if (TCount.Value > 2)
                            {
                                Add(v0, v1, v2, v3, x + (2 * inputStride), ref a20, ref a21, ref a22, ref a23);
                            }

                            if (TCount.Value > 3)
                            {
                                Add(v0, v1, v2, v3, x + (3 * inputStride), ref a30, ref a31, ref a32, ref a33);
                            }
                        }
                        else
                        {
                            TWeights.Load(p, out v0, out v1, out v2, out v3);
                            AddReduced(v0, v1, v2, v3, x, ref a00, ref a01, ref a02, ref a03);
                            if (TCount.Value > 1)
                            {
                                AddReduced(v0, v1, v2, v3, x + inputStride, ref a10, ref a11, ref a12, ref a13);
                            }

                            if (TCount.Value > 2)
                            {
                                AddReduced(v0, v1, v2, v3, x + (2 * inputStride), ref a20, ref a21, ref a22, ref a23);
                            }

                            if (TCount.Value > 3)
                            {
                                AddReduced(v0, v1, v2, v3, x + (3 * inputStride), ref a30, ref a31, ref a32, ref a33);
                            }
                        }

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
                (Start(first, own) + a00 + a01 + a02 + a03).Store(own);
                if (TCount.Value > 1)
                {
                    (Start(first, own + (4 * Vector512<float>.Count)) + a10 + a11 + a12 + a13).Store(own + (4 * Vector512<float>.Count));
                }

                if (TCount.Value > 2)
                {
                    (Start(first, own + (8 * Vector512<float>.Count)) + a20 + a21 + a22 + a23).Store(own + (8 * Vector512<float>.Count));
                }

                if (TCount.Value > 3)
                {
                    (Start(first, own + (12 * Vector512<float>.Count)) + a30 + a31 + a32 + a33).Store(own + (12 * Vector512<float>.Count));
                }
            }
        }

        for (int i = 0; i < TCount.Value; i++)
        {
            float* four = lanes + (4 * i * Vector512<float>.Count);
            Sum(Vector512.Load(four), Vector512.Load(four + Vector512<float>.Count), Vector512.Load(four + (2 * Vector512<float>.Count)), Vector512.Load(four + (3 * Vector512<float>.Count))).Store(sums + (4 * i));
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

        if (GroupBytes > 2 * CacheLine)
        {
            Sse.Prefetch0(address + (2 * CacheLine));
            Sse.Prefetch0(address + (3 * CacheLine));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, float* input, ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3)
    {
        a0 = Avx512F.FusedMultiplyAdd(v0, Vector512.Load(input), a0);
        a1 = Avx512F.FusedMultiplyAdd(v1, Vector512.Load(input + Vector512<float>.Count), a1);
        a2 = Avx512F.FusedMultiplyAdd(v2, Vector512.Load(input + (2 * Vector512<float>.Count)), a2);
        a3 = Avx512F.FusedMultiplyAdd(v3, Vector512.Load(input + (3 * Vector512<float>.Count)), a3);
    }

    /// <summary>For weights of <c>Load</c>, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddReduced(
        Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, float* input, ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3)
    {
        Vector512<float> factor = Vector512.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        a0 = Avx512F.FusedMultiplyAdd(v0, Vector512.Load(input) * factor, a0);
        a1 = Avx512F.FusedMultiplyAdd(v1, Vector512.Load(input + Vector512<float>.Count) * factor, a1);
        a2 = Avx512F.FusedMultiplyAdd(v2, Vector512.Load(input + (2 * Vector512<float>.Count)) * factor, a2);
        a3 = Avx512F.FusedMultiplyAdd(v3, Vector512.Load(input + (3 * Vector512<float>.Count)) * factor, a3);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Tile<TCount>(float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
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
            Vector512<float> w0 = Vector512.Load(weights);
            Vector512<float> w1 = Vector512.Load(weights + Vector512<float>.Count);
            Vector512<float> w2 = Vector512.Load(weights + (2 * Vector512<float>.Count));
            Vector512<float> w3 = Vector512.Load(weights + (3 * Vector512<float>.Count));
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
        a = Start(first, lanes) + a;
        b = Start(first, lanes + Vector512<float>.Count) + b;
        c = Start(first, lanes + (2 * Vector512<float>.Count)) + c;
        d = Start(first, lanes + (3 * Vector512<float>.Count)) + d;
        if (sums is not null)
        {
            Sum(a, b, c, d).Store(sums);
            return;
        }

        a.Store(lanes);
        b.Store(lanes + Vector512<float>.Count);
        c.Store(lanes + (2 * Vector512<float>.Count));
        d.Store(lanes + (3 * Vector512<float>.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Start(bool first, float* lanes) => first ? Vector512<float>.Zero : Vector512.Load(lanes);

    /// <summary>A group of natural order in the order of decoded weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(float* natural, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        v0 = Vector512.Load(natural);
        v1 = Vector512.Load(natural + 16);
        v2 = Vector512.Load(natural + 32);
        v3 = Vector512.Load(natural + 48);
        if (TWeights.Interleaving > 1)
        {
            Vector512<int> even = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            Vector512<int> odd = even + Vector512<int>.One;
            Vector512<float> even01 = Avx512F.PermuteVar16x32x2(v0, even, v1);
            Vector512<float> odd01 = Avx512F.PermuteVar16x32x2(v0, odd, v1);
            Vector512<float> even23 = Avx512F.PermuteVar16x32x2(v2, even, v3);
            Vector512<float> odd23 = Avx512F.PermuteVar16x32x2(v2, odd, v3);
            if (TWeights.Interleaving == 2)
            {
                (v0, v1, v2, v3) = (even01, odd01, even23, odd23);
                return;
            }

            v0 = Avx512F.PermuteVar16x32x2(even01, even, even23);
            v1 = Avx512F.PermuteVar16x32x2(odd01, even, odd23);
            v2 = Avx512F.PermuteVar16x32x2(even01, odd, even23);
            v3 = Avx512F.PermuteVar16x32x2(odd01, odd, odd23);
        }
    }

    /// <summary>The sums over the lanes of four vectors: lanes eight apart are added, then those four, two and one apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sum(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.Add(Avx512F.Shuffle4x128(a, b, 0x44), Avx512F.Shuffle4x128(a, b, 0xEE));
        Vector512<float> cd = Avx512F.Add(Avx512F.Shuffle4x128(c, d, 0x44), Avx512F.Shuffle4x128(c, d, 0xEE));
        Vector512<float> four = Avx512F.Add(Avx512F.Shuffle4x128(ab, cd, 0x88), Avx512F.Shuffle4x128(ab, cd, 0xDD));
        Vector512<float> two = Avx512F.Add(four, Avx512F.Shuffle(four, four, 0x4E));
        Vector512<float> one = Avx512F.Add(two, Avx512F.Shuffle(two, two, 0xB1));
        return Avx512F.PermuteVar16x32(one, Vector512.Create(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)).GetLower().GetLower();
    }
}
