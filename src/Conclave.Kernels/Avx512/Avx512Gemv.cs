using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// Few inputs times weight rows that are decoded in registers, for weights of one format. Kept apart from the methods that choose among numbers of inputs: inlined there, one size takes the
/// compiler's whole allowance and the loop is left with calls and spilled sums.
/// </summary>
internal static unsafe class Avx512Gemv<TWeights>
    where TWeights : struct, IAvx512Weights
{
    // Into the second cache from farther than its own prefetcher looks, since that ends at each page; from there into the first one in time.
    private const int FarDistance = 8192;
    private const int NearDistance = 1024;

    private const int CacheLine = 64;
    private const int Group = 4 * 16;

    // Read once by each method: inlined everywhere, it would use up what the compiler allows for the loops.
    private static int GroupBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Group * 4 / TWeights.Interleaving;
    }

    /// <summary>
    /// An input times one row after the other, since memory is read fastest as one stream; the four classes keep the multiply-adds apart.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Single(
        byte* weights, nint rowBytes, int rows, float* input, nint groups, nint segment, byte* tails, float* lanes, float* sums)
    {
        int groupBytes = GroupBytes;
        nint total = groups + (tails is null ? 0 : 1);
        for (int row = 0; row < 4; row++)
        {
            // The last row stands in for those that do not exist.
            int source = int.Min(row, rows - 1);
            byte* p = weights + (source * rowBytes);
            float* x = input;
            float* own = lanes + (row * Vector512<float>.Count);
            for (nint start = 0; start < total; start += segment)
            {
                Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
                byte* end = p + (nint.Min(segment, groups - start) * groupBytes);
                bool partial = tails is not null && total - start <= segment;
                while (true)
                {
                    for (; p < end; p += groupBytes)
                    {
                        Prefetch(p, groupBytes);
                        if (TWeights.TryUnpack(p, out Vector512<uint> a, out Vector512<uint> b))
                        {
                            a0 = Avx512F.FusedMultiplyAdd(TWeights.Vector(0, p, a, b), Vector512.Load(x), a0);
                            a1 = Avx512F.FusedMultiplyAdd(TWeights.Vector(1, p, a, b), Vector512.Load(x + Vector512<float>.Count), a1);
                            a2 = Avx512F.FusedMultiplyAdd(TWeights.Vector(2, p, a, b), Vector512.Load(x + (2 * Vector512<float>.Count)), a2);
                            a3 = Avx512F.FusedMultiplyAdd(TWeights.Vector(3, p, a, b), Vector512.Load(x + (3 * Vector512<float>.Count)), a3);
                        }
                        else
                        {
                            TWeights.Load(p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
                            AddReduced(v0, v1, v2, v3, x, ref a0, ref a1, ref a2, ref a3);
                        }

                        x += Group;
                    }

                    if (!partial)
                    {
                        break;
                    }

                    p = tails + (source * groupBytes);
                    end = p + groupBytes;
                    partial = false;
                }

                AddClasses(start == 0, own, a0, a1, a2, a3);
            }
        }

        Avx512Lanes.Sum(1, lanes, sums);
    }

    /// <summary>
    /// Two rows at a time: an input that is loaded serves both, for with several inputs it is loads that the core has too few of. Decoded weights live as briefly
    /// as possible; 24 sums leave eight registers.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Pairs<TCount>(
        byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums)
        where TCount : struct, ICount
    {
        int groupBytes = GroupBytes;
        nint total = groups + (tails is null ? 0 : 1);
        for (int row = 0; row < 4; row += 2)
        {
            // The last row stands in for those that do not exist.
            int source = int.Min(row, rows - 1);
            nint second = (int.Min(row + 1, rows - 1) - source) * rowBytes;
            byte* p = weights + (source * rowBytes);

            // Two rows are read at once, but asked for as one stream in the order of memory.
            byte* ahead = p;
            float* x = inputs;
            float* own = lanes + (row * Vector512<float>.Count);
            for (nint start = 0; start < total; start += segment)
            {
                Vector512<float> a00 = default, a01 = default, a02 = default, a03 = default;
                Vector512<float> a10 = default, a11 = default, a12 = default, a13 = default;
                Vector512<float> a20 = default, a21 = default, a22 = default, a23 = default;
                Vector512<float> b00 = default, b01 = default, b02 = default, b03 = default;
                Vector512<float> b10 = default, b11 = default, b12 = default, b13 = default;
                Vector512<float> b20 = default, b21 = default, b22 = default, b23 = default;
                nint next = second;
                byte* end = p + (nint.Min(segment, groups - start) * groupBytes);
                bool partial = tails is not null && total - start <= segment;
                while (true)
                {
                    for (; p < end; p += groupBytes)
                    {
                        Prefetch(ahead, 2 * groupBytes);
                        ahead += 2 * groupBytes;
                        byte* q = p + next;
                        if (TWeights.TryUnpack(p, out Vector512<uint> a, out Vector512<uint> b) & TWeights.TryUnpack(q, out Vector512<uint> c, out Vector512<uint> d))
                        {
                            AddClass<TCount>(TWeights.Vector(0, p, a, b), TWeights.Vector(0, q, c, d), x, inputStride, ref a00, ref a10, ref a20, ref b00, ref b10, ref b20);
                            AddClass<TCount>(TWeights.Vector(1, p, a, b), TWeights.Vector(1, q, c, d), x + 16, inputStride, ref a01, ref a11, ref a21, ref b01, ref b11, ref b21);
                            AddClass<TCount>(TWeights.Vector(2, p, a, b), TWeights.Vector(2, q, c, d), x + 32, inputStride, ref a02, ref a12, ref a22, ref b02, ref b12, ref b22);
                            AddClass<TCount>(TWeights.Vector(3, p, a, b), TWeights.Vector(3, q, c, d), x + 48, inputStride, ref a03, ref a13, ref a23, ref b03, ref b13, ref b23);
                        }
                        else
                        {
                            TWeights.Load(p, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
                            AddReduced(v0, v1, v2, v3, x, ref a00, ref a01, ref a02, ref a03);
                            AddReduced(v0, v1, v2, v3, x + inputStride, ref a10, ref a11, ref a12, ref a13);
                            if (TCount.Value > 2)
                            {
                                AddReduced(v0, v1, v2, v3, x + (2 * inputStride), ref a20, ref a21, ref a22, ref a23);
                            }

                            TWeights.Load(q, out v0, out v1, out v2, out v3);
                            AddReduced(v0, v1, v2, v3, x, ref b00, ref b01, ref b02, ref b03);
                            AddReduced(v0, v1, v2, v3, x + inputStride, ref b10, ref b11, ref b12, ref b13);
                            if (TCount.Value > 2)
                            {
                                AddReduced(v0, v1, v2, v3, x + (2 * inputStride), ref b20, ref b21, ref b22, ref b23);
                            }
                        }

                        x += Group;
                    }

                    if (!partial)
                    {
                        break;
                    }

                    p = tails + (source * groupBytes);
                    next = second == 0 ? 0 : groupBytes;
                    end = p + groupBytes;
                    partial = false;
                }

                bool first = start == 0;
                AddClasses(first, own, a00, a01, a02, a03);
                AddClasses(first, own + Vector512<float>.Count, b00, b01, b02, b03);
                AddClasses(first, own + (4 * Vector512<float>.Count), a10, a11, a12, a13);
                AddClasses(first, own + (5 * Vector512<float>.Count), b10, b11, b12, b13);
                if (TCount.Value > 2)
                {
                    AddClasses(first, own + (8 * Vector512<float>.Count), a20, a21, a22, a23);
                    AddClasses(first, own + (9 * Vector512<float>.Count), b20, b21, b22, b23);
                }
            }
        }

        Avx512Lanes.Sum(TCount.Value, lanes, sums);
    }

    /// <summary>A class of two rows: <paramref name="v"/> and <paramref name="w"/> times the same vectors of the inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddClass<TCount>(
        Vector512<float> v, Vector512<float> w, float* input, nint inputStride,
        ref Vector512<float> a0, ref Vector512<float> a1, ref Vector512<float> a2, ref Vector512<float> b0, ref Vector512<float> b1, ref Vector512<float> b2)
        where TCount : struct, ICount
    {
        Vector512<float> x = Vector512.Load(input);
        a0 = Avx512F.FusedMultiplyAdd(v, x, a0);
        b0 = Avx512F.FusedMultiplyAdd(w, x, b0);
        x = Vector512.Load(input + inputStride);
        a1 = Avx512F.FusedMultiplyAdd(v, x, a1);
        b1 = Avx512F.FusedMultiplyAdd(w, x, b1);
        if (TCount.Value > 2)
        {
            x = Vector512.Load(input + (2 * inputStride));
            a2 = Avx512F.FusedMultiplyAdd(v, x, a2);
            b2 = Avx512F.FusedMultiplyAdd(w, x, b2);
        }
    }

    /// <summary>Adds the classes of a segment to the lanes of an output, which count as zero if it is the first one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddClasses(bool first, float* lanes, Vector512<float> c0, Vector512<float> c1, Vector512<float> c2, Vector512<float> c3) =>
        (Avx512Lanes.Start(first, lanes) + c0 + c1 + c2 + c3).Store(lanes);

    /// <summary>Asks for what lies ahead of one group or two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* address, int bytes)
    {
        PrefetchLine(address);
        if (bytes > CacheLine)
        {
            PrefetchLine(address + CacheLine);
        }

        if (bytes > 2 * CacheLine)
        {
            PrefetchLine(address + (2 * CacheLine));
            PrefetchLine(address + (3 * CacheLine));
        }

        if (bytes > 4 * CacheLine)
        {
            PrefetchLine(address + (4 * CacheLine));
            PrefetchLine(address + (5 * CacheLine));
            PrefetchLine(address + (6 * CacheLine));
            PrefetchLine(address + (7 * CacheLine));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchLine(byte* address)
    {
        Sse.Prefetch1(address + FarDistance);
        Sse.Prefetch0(address + NearDistance);
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
}
