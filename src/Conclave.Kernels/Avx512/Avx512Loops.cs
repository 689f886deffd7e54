using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>The inner loops of projections with AVX-512, for weights of one format.</summary>
internal readonly unsafe struct Avx512Loops<TWeights> : IProjectionLoops
    where TWeights : struct, IAvx512Weights
{
    private const int GroupBytes = 64;

    /// <inheritdoc/>
    public static int Lanes => Vector512<float>.Count;

    /// <inheritdoc/>
    public static int Group => TWeights.Vectors * Vector512<float>.Count;

    /// <inheritdoc/>
    public static int ElementBytes => GroupBytes / Group;

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
    public static void Arrange(float* natural, float factor, float* arranged, nint stride, nint groups)
    {
        Vector512<int> even = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        Vector512<int> odd = even + Vector512<int>.One;
        Vector512<float> scale = Vector512.Create(factor);
        for (nint g = 0; g < groups; g++)
        {
            Vector512<float> v0 = Vector512.Load(natural) * scale;
            if (TWeights.Vectors == 1)
            {
                v0.Store(arranged);
            }
            else if (TWeights.Vectors == 2)
            {
                Vector512<float> v1 = Vector512.Load(natural + 16) * scale;
                Avx512F.PermuteVar16x32x2(v0, even, v1).Store(arranged);
                Avx512F.PermuteVar16x32x2(v0, odd, v1).Store(arranged + stride);
            }
            else
            {
                Vector512<float> v1 = Vector512.Load(natural + 16) * scale;
                Vector512<float> v2 = Vector512.Load(natural + 32) * scale;
                Vector512<float> v3 = Vector512.Load(natural + 48) * scale;
                Vector512<float> even01 = Avx512F.PermuteVar16x32x2(v0, even, v1);
                Vector512<float> even23 = Avx512F.PermuteVar16x32x2(v2, even, v3);
                Vector512<float> odd01 = Avx512F.PermuteVar16x32x2(v0, odd, v1);
                Vector512<float> odd23 = Avx512F.PermuteVar16x32x2(v2, odd, v3);
                Avx512F.PermuteVar16x32x2(even01, even, even23).Store(arranged);
                Avx512F.PermuteVar16x32x2(odd01, even, odd23).Store(arranged + stride);
                Avx512F.PermuteVar16x32x2(even01, odd, even23).Store(arranged + (2 * stride));
                Avx512F.PermuteVar16x32x2(odd01, odd, odd23).Store(arranged + (3 * stride));
            }

            natural += Group;
            arranged += TWeights.Vectors * stride;
        }
    }

    /// <inheritdoc/>
    public static void Decode(byte* weights, float* decoded, nint stride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            TWeights.Load(weights, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
            v0.Store(decoded);
            if (TWeights.Vectors > 1)
            {
                v1.Store(decoded + stride);
            }

            if (TWeights.Vectors > 2)
            {
                v2.Store(decoded + (2 * stride));
                v3.Store(decoded + (3 * stride));
            }

            weights += GroupBytes;
            decoded += TWeights.Vectors * stride;
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
        int count, byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, byte* tails, float* sums)
    {
        switch (count)
        {
            case 1:
                Gemv<One>(weights, rowBytes, rows, inputs, inputStride, groups, tails, sums);
                break;
            case 2:
                Gemv<Two>(weights, rowBytes, rows, inputs, inputStride, groups, tails, sums);
                break;
            case 3:
                Gemv<Three>(weights, rowBytes, rows, inputs, inputStride, groups, tails, sums);
                break;
            default:
                Gemv<Four>(weights, rowBytes, rows, inputs, inputStride, groups, tails, sums);
                break;
        }
    }

    /// <inheritdoc/>
    public static void Tile(int count, float* weights, float* inputs, nint vectors, float* partials, bool first, float* sums)
    {
        switch (count)
        {
            case 1:
                Tile<One>(weights, inputs, vectors, partials, first, sums);
                break;
            case 2:
                Tile<Two>(weights, inputs, vectors, partials, first, sums);
                break;
            case 3:
                Tile<Three>(weights, inputs, vectors, partials, first, sums);
                break;
            case 4:
                Tile<Four>(weights, inputs, vectors, partials, first, sums);
                break;
            case 5:
                Tile<Five>(weights, inputs, vectors, partials, first, sums);
                break;
            default:
                Tile<Six>(weights, inputs, vectors, partials, first, sums);
                break;
        }
    }

    private static void Gemv<TCount>(
        byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, byte* tails, float* sums)
        where TCount : struct, ICount
    {
        // Rows that do not exist are computed as copies of the last that does.
        byte* p0 = weights;

        // The next four rows follow these in memory. They are asked for in order, not row by row: rows shorter than a page would look like several streams.
        byte* next = weights + (4 * rowBytes);
        byte* p1 = weights + (int.Min(1, rows - 1) * rowBytes);
        byte* p2 = weights + (int.Min(2, rows - 1) * rowBytes);
        byte* p3 = weights + (int.Min(3, rows - 1) * rowBytes);
        Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default;
        Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default;
        Vector512<float> a30 = default, a31 = default, a32 = default, a33 = default;
        while (true)
        {
            nint end = groups * GroupBytes;
            for (nint offset = 0; offset < end; offset += GroupBytes)
            {
                Prefetch(next);
                next += 4 * GroupBytes;
                Row<TCount>(p0 + offset, inputs, inputStride, ref a00, ref a10, ref a20, ref a30);
                Row<TCount>(p1 + offset, inputs, inputStride, ref a01, ref a11, ref a21, ref a31);
                Row<TCount>(p2 + offset, inputs, inputStride, ref a02, ref a12, ref a22, ref a32);
                Row<TCount>(p3 + offset, inputs, inputStride, ref a03, ref a13, ref a23, ref a33);
                inputs += Group;
            }

            if (tails is null)
            {
                break;
            }

            p0 = tails;
            p1 = tails + (int.Min(1, rows - 1) * GroupBytes);
            p2 = tails + (int.Min(2, rows - 1) * GroupBytes);
            p3 = tails + (int.Min(3, rows - 1) * GroupBytes);
            groups = 1;
            tails = null;
        }

        Sum(a00, a01, a02, a03).Store(sums);
        if (TCount.Value > 1)
        {
            Sum(a10, a11, a12, a13).Store(sums + 4);
        }

        if (TCount.Value > 2)
        {
            Sum(a20, a21, a22, a23).Store(sums + 8);
        }

        if (TCount.Value > 3)
        {
            Sum(a30, a31, a32, a33).Store(sums + 12);
        }
    }

    /// <summary>Asks for the bytes of four groups. While weights are decoded the core's window of instructions is too short to reach them in time by itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* address)
    {
        Sse.Prefetch0(address);
        Sse.Prefetch0(address + 64);
        Sse.Prefetch0(address + 128);
        Sse.Prefetch0(address + 192);
    }

    /// <summary>Multiplies one group of a weight row with the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Row<TCount>(byte* weights, float* inputs, nint inputStride, ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> a3)
        where TCount : struct, ICount
    {
        if (TWeights.TryLoad(weights, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3))
        {
            a0 = Add(v0, v1, v2, v3, inputs, a0);
            a1 = TCount.Value > 1 ? Add(v0, v1, v2, v3, inputs + inputStride, a1) : a1;
            a2 = TCount.Value > 2 ? Add(v0, v1, v2, v3, inputs + (2 * inputStride), a2) : a2;
            a3 = TCount.Value > 3 ? Add(v0, v1, v2, v3, inputs + (3 * inputStride), a3) : a3;
        }
        else
        {
            TWeights.Load(weights, out v0, out v1, out v2, out v3);
            a0 = AddReduced(v0, v1, v2, v3, inputs, a0);
            a1 = TCount.Value > 1 ? AddReduced(v0, v1, v2, v3, inputs + inputStride, a1) : a1;
            a2 = TCount.Value > 2 ? AddReduced(v0, v1, v2, v3, inputs + (2 * inputStride), a2) : a2;
            a3 = TCount.Value > 3 ? AddReduced(v0, v1, v2, v3, inputs + (3 * inputStride), a3) : a3;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Add(
        Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, float* input, Vector512<float> sum)
    {
        sum = Avx512F.FusedMultiplyAdd(v0, Vector512.Load(input), sum);
        if (TWeights.Vectors > 1)
        {
            sum = Avx512F.FusedMultiplyAdd(v1, Vector512.Load(input + Vector512<float>.Count), sum);
        }

        if (TWeights.Vectors > 2)
        {
            sum = Avx512F.FusedMultiplyAdd(v2, Vector512.Load(input + (2 * Vector512<float>.Count)), sum);
            sum = Avx512F.FusedMultiplyAdd(v3, Vector512.Load(input + (3 * Vector512<float>.Count)), sum);
        }

        return sum;
    }

    /// <summary>For weights of <c>Load</c>, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddReduced(
        Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, float* input, Vector512<float> sum)
    {
        Vector512<float> factor = Vector512.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        sum = Avx512F.FusedMultiplyAdd(v0, Vector512.Load(input) * factor, sum);
        sum = Avx512F.FusedMultiplyAdd(v1, Vector512.Load(input + Vector512<float>.Count) * factor, sum);
        sum = Avx512F.FusedMultiplyAdd(v2, Vector512.Load(input + (2 * Vector512<float>.Count)) * factor, sum);
        return Avx512F.FusedMultiplyAdd(v3, Vector512.Load(input + (3 * Vector512<float>.Count)) * factor, sum);
    }

    private static void Tile<TCount>(float* weights, float* inputs, nint vectors, float* partials, bool first, float* sums)
        where TCount : struct, ICount
    {
        Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default;
        Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default;
        Vector512<float> a30 = default, a31 = default, a32 = default, a33 = default;
        Vector512<float> a40 = default, a41 = default, a42 = default, a43 = default;
        Vector512<float> a50 = default, a51 = default, a52 = default, a53 = default;
        if (!first)
        {
            a00 = Vector512.Load(partials + (0 * Vector512<float>.Count));
            a01 = Vector512.Load(partials + (1 * Vector512<float>.Count));
            a02 = Vector512.Load(partials + (2 * Vector512<float>.Count));
            a03 = Vector512.Load(partials + (3 * Vector512<float>.Count));
            if (TCount.Value > 1)
            {
                a10 = Vector512.Load(partials + (4 * Vector512<float>.Count));
                a11 = Vector512.Load(partials + (5 * Vector512<float>.Count));
                a12 = Vector512.Load(partials + (6 * Vector512<float>.Count));
                a13 = Vector512.Load(partials + (7 * Vector512<float>.Count));
            }

            if (TCount.Value > 2)
            {
                a20 = Vector512.Load(partials + (8 * Vector512<float>.Count));
                a21 = Vector512.Load(partials + (9 * Vector512<float>.Count));
                a22 = Vector512.Load(partials + (10 * Vector512<float>.Count));
                a23 = Vector512.Load(partials + (11 * Vector512<float>.Count));
            }

            if (TCount.Value > 3)
            {
                a30 = Vector512.Load(partials + (12 * Vector512<float>.Count));
                a31 = Vector512.Load(partials + (13 * Vector512<float>.Count));
                a32 = Vector512.Load(partials + (14 * Vector512<float>.Count));
                a33 = Vector512.Load(partials + (15 * Vector512<float>.Count));
            }

            if (TCount.Value > 4)
            {
                a40 = Vector512.Load(partials + (16 * Vector512<float>.Count));
                a41 = Vector512.Load(partials + (17 * Vector512<float>.Count));
                a42 = Vector512.Load(partials + (18 * Vector512<float>.Count));
                a43 = Vector512.Load(partials + (19 * Vector512<float>.Count));
            }

            if (TCount.Value > 5)
            {
                a50 = Vector512.Load(partials + (20 * Vector512<float>.Count));
                a51 = Vector512.Load(partials + (21 * Vector512<float>.Count));
                a52 = Vector512.Load(partials + (22 * Vector512<float>.Count));
                a53 = Vector512.Load(partials + (23 * Vector512<float>.Count));
            }
        }

        // The next tile begins with loads of its sums, out of a cache farther away. Panels are read in order, which the core foresees by itself.
        float* next = partials + (4 * TCount.Value * Vector512<float>.Count);
        for (nint v = 0; v < vectors; v++)
        {
            Sse.Prefetch0(next);
            next += Vector512<float>.Count;
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

        if (sums is null)
        {
            a00.Store(partials + (0 * Vector512<float>.Count));
            a01.Store(partials + (1 * Vector512<float>.Count));
            a02.Store(partials + (2 * Vector512<float>.Count));
            a03.Store(partials + (3 * Vector512<float>.Count));
            if (TCount.Value > 1)
            {
                a10.Store(partials + (4 * Vector512<float>.Count));
                a11.Store(partials + (5 * Vector512<float>.Count));
                a12.Store(partials + (6 * Vector512<float>.Count));
                a13.Store(partials + (7 * Vector512<float>.Count));
            }

            if (TCount.Value > 2)
            {
                a20.Store(partials + (8 * Vector512<float>.Count));
                a21.Store(partials + (9 * Vector512<float>.Count));
                a22.Store(partials + (10 * Vector512<float>.Count));
                a23.Store(partials + (11 * Vector512<float>.Count));
            }

            if (TCount.Value > 3)
            {
                a30.Store(partials + (12 * Vector512<float>.Count));
                a31.Store(partials + (13 * Vector512<float>.Count));
                a32.Store(partials + (14 * Vector512<float>.Count));
                a33.Store(partials + (15 * Vector512<float>.Count));
            }

            if (TCount.Value > 4)
            {
                a40.Store(partials + (16 * Vector512<float>.Count));
                a41.Store(partials + (17 * Vector512<float>.Count));
                a42.Store(partials + (18 * Vector512<float>.Count));
                a43.Store(partials + (19 * Vector512<float>.Count));
            }

            if (TCount.Value > 5)
            {
                a50.Store(partials + (20 * Vector512<float>.Count));
                a51.Store(partials + (21 * Vector512<float>.Count));
                a52.Store(partials + (22 * Vector512<float>.Count));
                a53.Store(partials + (23 * Vector512<float>.Count));
            }

            return;
        }

        Sum(a00, a01, a02, a03).Store(sums);
        if (TCount.Value > 1)
        {
            Sum(a10, a11, a12, a13).Store(sums + 4);
        }

        if (TCount.Value > 2)
        {
            Sum(a20, a21, a22, a23).Store(sums + 8);
        }

        if (TCount.Value > 3)
        {
            Sum(a30, a31, a32, a33).Store(sums + 12);
        }

        if (TCount.Value > 4)
        {
            Sum(a40, a41, a42, a43).Store(sums + 16);
        }

        if (TCount.Value > 5)
        {
            Sum(a50, a51, a52, a53).Store(sums + 20);
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
