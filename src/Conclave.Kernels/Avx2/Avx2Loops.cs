using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>The inner loops of projections with AVX2 and FMA, for weights of one format.</summary>
internal readonly unsafe struct Avx2Loops<TWeights> : IProjectionLoops
    where TWeights : struct, IAvx2Weights
{
    private const int GroupBytes = 32;

    /// <inheritdoc/>
    public static int Lanes => Vector256<float>.Count;

    /// <inheritdoc/>
    public static int Group => TWeights.Vectors * Vector256<float>.Count;

    /// <inheritdoc/>
    public static int ElementBytes => GroupBytes / Group;

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
    public static void Arrange(float* natural, float factor, float* arranged, nint stride, nint groups)
    {
        Vector256<float> scale = Vector256.Create(factor);
        for (nint g = 0; g < groups; g++)
        {
            if (TWeights.Vectors == 1)
            {
                (Vector256.Load(natural) * scale).Store(arranged);
            }
            else if (TWeights.Vectors == 2)
            {
                Vector256<float> low = Halves(natural, natural + 8) * scale;
                Vector256<float> high = Halves(natural + 4, natural + 12) * scale;
                Avx.Shuffle(low, high, 0x88).Store(arranged);
                Avx.Shuffle(low, high, 0xDD).Store(arranged + stride);
            }
            else
            {
                // Four rows of four elements are transposed in each half.
                Vector256<float> r0 = Halves(natural, natural + 16) * scale;
                Vector256<float> r1 = Halves(natural + 4, natural + 20) * scale;
                Vector256<float> r2 = Halves(natural + 8, natural + 24) * scale;
                Vector256<float> r3 = Halves(natural + 12, natural + 28) * scale;
                Vector256<float> low01 = Avx.Shuffle(r0, r1, 0x44);
                Vector256<float> high01 = Avx.Shuffle(r0, r1, 0xEE);
                Vector256<float> low23 = Avx.Shuffle(r2, r3, 0x44);
                Vector256<float> high23 = Avx.Shuffle(r2, r3, 0xEE);
                Avx.Shuffle(low01, low23, 0x88).Store(arranged);
                Avx.Shuffle(low01, low23, 0xDD).Store(arranged + stride);
                Avx.Shuffle(high01, high23, 0x88).Store(arranged + (2 * stride));
                Avx.Shuffle(high01, high23, 0xDD).Store(arranged + (3 * stride));
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
            TWeights.Load(weights, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3);
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
            Vector256<float> scale = Vector256.Load(scales);
            for (int i = 0; i < count; i++)
            {
                (Vector256.Load(packed) * scale).Store(scaled);
                packed += Vector256<float>.Count;
                scaled += Vector256<float>.Count;
            }

            scales += Vector256<float>.Count;
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
            default:
                Gemv<Two>(weights, rowBytes, rows, inputs, inputStride, groups, tails, sums);
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
            default:
                Tile<Three>(weights, inputs, vectors, partials, first, sums);
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
        Vector256<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector256<float> a10 = default, a11 = default, a12 = default, a13 = default;
        while (true)
        {
            nint end = groups * GroupBytes;
            for (nint offset = 0; offset < end; offset += GroupBytes)
            {
                Prefetch(next);
                next += 4 * GroupBytes;
                Row<TCount>(p0 + offset, inputs, inputStride, ref a00, ref a10);
                Row<TCount>(p1 + offset, inputs, inputStride, ref a01, ref a11);
                Row<TCount>(p2 + offset, inputs, inputStride, ref a02, ref a12);
                Row<TCount>(p3 + offset, inputs, inputStride, ref a03, ref a13);
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
    }

    /// <summary>Asks for the bytes of four groups. While weights are decoded the core's window of instructions is too short to reach them in time by itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* address)
    {
        Sse.Prefetch0(address);
        Sse.Prefetch0(address + 64);
    }

    /// <summary>Multiplies one group of a weight row with the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Row<TCount>(byte* weights, float* inputs, nint inputStride, ref Vector256<float> a0, ref Vector256<float> a1)
        where TCount : struct, ICount
    {
        if (TWeights.TryLoad(weights, out Vector256<float> v0, out Vector256<float> v1, out Vector256<float> v2, out Vector256<float> v3))
        {
            a0 = Add(v0, v1, v2, v3, inputs, a0);
            a1 = TCount.Value > 1 ? Add(v0, v1, v2, v3, inputs + inputStride, a1) : a1;
        }
        else
        {
            TWeights.Load(weights, out v0, out v1, out v2, out v3);
            a0 = AddReduced(v0, v1, v2, v3, inputs, a0);
            a1 = TCount.Value > 1 ? AddReduced(v0, v1, v2, v3, inputs + inputStride, a1) : a1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(
        Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3, float* input, Vector256<float> sum)
    {
        sum = Fma.MultiplyAdd(v0, Vector256.Load(input), sum);
        if (TWeights.Vectors > 1)
        {
            sum = Fma.MultiplyAdd(v1, Vector256.Load(input + Vector256<float>.Count), sum);
        }

        if (TWeights.Vectors > 2)
        {
            sum = Fma.MultiplyAdd(v2, Vector256.Load(input + (2 * Vector256<float>.Count)), sum);
            sum = Fma.MultiplyAdd(v3, Vector256.Load(input + (3 * Vector256<float>.Count)), sum);
        }

        return sum;
    }

    /// <summary>For weights of <c>Load</c>, which are a power of two larger: the inputs are made smaller by it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddReduced(
        Vector256<float> v0, Vector256<float> v1, Vector256<float> v2, Vector256<float> v3, float* input, Vector256<float> sum)
    {
        Vector256<float> factor = Vector256.Create(TWeights.LoadInputFactor / TWeights.InputFactor);
        sum = Fma.MultiplyAdd(v0, Vector256.Load(input) * factor, sum);
        sum = Fma.MultiplyAdd(v1, Vector256.Load(input + Vector256<float>.Count) * factor, sum);
        sum = Fma.MultiplyAdd(v2, Vector256.Load(input + (2 * Vector256<float>.Count)) * factor, sum);
        return Fma.MultiplyAdd(v3, Vector256.Load(input + (3 * Vector256<float>.Count)) * factor, sum);
    }

    private static void Tile<TCount>(float* weights, float* inputs, nint vectors, float* partials, bool first, float* sums)
        where TCount : struct, ICount
    {
        Vector256<float> a00 = default, a01 = default, a02 = default, a03 = default;
        Vector256<float> a10 = default, a11 = default, a12 = default, a13 = default;
        Vector256<float> a20 = default, a21 = default, a22 = default, a23 = default;
        if (!first)
        {
            a00 = Vector256.Load(partials + (0 * Vector256<float>.Count));
            a01 = Vector256.Load(partials + (1 * Vector256<float>.Count));
            a02 = Vector256.Load(partials + (2 * Vector256<float>.Count));
            a03 = Vector256.Load(partials + (3 * Vector256<float>.Count));
            if (TCount.Value > 1)
            {
                a10 = Vector256.Load(partials + (4 * Vector256<float>.Count));
                a11 = Vector256.Load(partials + (5 * Vector256<float>.Count));
                a12 = Vector256.Load(partials + (6 * Vector256<float>.Count));
                a13 = Vector256.Load(partials + (7 * Vector256<float>.Count));
            }

            if (TCount.Value > 2)
            {
                a20 = Vector256.Load(partials + (8 * Vector256<float>.Count));
                a21 = Vector256.Load(partials + (9 * Vector256<float>.Count));
                a22 = Vector256.Load(partials + (10 * Vector256<float>.Count));
                a23 = Vector256.Load(partials + (11 * Vector256<float>.Count));
            }
        }

        for (nint v = 0; v < vectors; v++)
        {
            // One weight vector at a time: with twelve sums and three inputs that makes sixteen registers.
            Vector256<float> x0 = Vector256.Load(inputs);
            Vector256<float> x1 = TCount.Value > 1 ? Vector256.Load(inputs + Vector256<float>.Count) : default;
            Vector256<float> x2 = TCount.Value > 2 ? Vector256.Load(inputs + (2 * Vector256<float>.Count)) : default;
            Vector256<float> w0 = Vector256.Load(weights);
            a00 = Fma.MultiplyAdd(w0, x0, a00);
            a10 = TCount.Value > 1 ? Fma.MultiplyAdd(w0, x1, a10) : a10;
            a20 = TCount.Value > 2 ? Fma.MultiplyAdd(w0, x2, a20) : a20;
            Vector256<float> w1 = Vector256.Load(weights + Vector256<float>.Count);
            a01 = Fma.MultiplyAdd(w1, x0, a01);
            a11 = TCount.Value > 1 ? Fma.MultiplyAdd(w1, x1, a11) : a11;
            a21 = TCount.Value > 2 ? Fma.MultiplyAdd(w1, x2, a21) : a21;
            Vector256<float> w2 = Vector256.Load(weights + (2 * Vector256<float>.Count));
            a02 = Fma.MultiplyAdd(w2, x0, a02);
            a12 = TCount.Value > 1 ? Fma.MultiplyAdd(w2, x1, a12) : a12;
            a22 = TCount.Value > 2 ? Fma.MultiplyAdd(w2, x2, a22) : a22;
            Vector256<float> w3 = Vector256.Load(weights + (3 * Vector256<float>.Count));
            a03 = Fma.MultiplyAdd(w3, x0, a03);
            a13 = TCount.Value > 1 ? Fma.MultiplyAdd(w3, x1, a13) : a13;
            a23 = TCount.Value > 2 ? Fma.MultiplyAdd(w3, x2, a23) : a23;
            weights += 4 * Vector256<float>.Count;
            inputs += TCount.Value * Vector256<float>.Count;
        }

        if (sums is null)
        {
            a00.Store(partials + (0 * Vector256<float>.Count));
            a01.Store(partials + (1 * Vector256<float>.Count));
            a02.Store(partials + (2 * Vector256<float>.Count));
            a03.Store(partials + (3 * Vector256<float>.Count));
            if (TCount.Value > 1)
            {
                a10.Store(partials + (4 * Vector256<float>.Count));
                a11.Store(partials + (5 * Vector256<float>.Count));
                a12.Store(partials + (6 * Vector256<float>.Count));
                a13.Store(partials + (7 * Vector256<float>.Count));
            }

            if (TCount.Value > 2)
            {
                a20.Store(partials + (8 * Vector256<float>.Count));
                a21.Store(partials + (9 * Vector256<float>.Count));
                a22.Store(partials + (10 * Vector256<float>.Count));
                a23.Store(partials + (11 * Vector256<float>.Count));
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
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(float* low, float* high) => Vector256.Create(Vector128.Load(low), Vector128.Load(high));

    /// <summary>The sums over the lanes of four vectors: lanes four apart are added, then those two and one apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sum(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.Add(Avx.Permute2x128(a, b, 0x20), Avx.Permute2x128(a, b, 0x31));
        Vector256<float> cd = Avx.Add(Avx.Permute2x128(c, d, 0x20), Avx.Permute2x128(c, d, 0x31));
        Vector256<float> two = Avx.Add(Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE));
        Vector256<float> one = Avx.Add(Avx.Shuffle(two, two, 0x88), Avx.Shuffle(two, two, 0xDD));
        return Sse.UnpackLow(one.GetLower(), one.GetUpper());
    }
}
