using System.Runtime.CompilerServices;

namespace Conclave.Kernels;

/// <summary>
/// Small matrix products c[i, j] ← Σ_t a[i, t] · b[t, j], every sum one chain of fused multiply-adds in the order of t that begins with 0 or with the old
/// c[i, j]. Lanes run over j, so neither the number of rows nor of columns can change a sum.
/// </summary>
internal static unsafe class OrderedProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int NarrowRows = 4;

    /// <summary>Most rows that <see cref="Run"/> takes.</summary>
    public const int MaxRows = 6;

    /// <summary>Computes up to <see cref="MaxRows"/> rows.</summary>
    /// <param name="a">The first row of a.</param>
    /// <param name="aStride">Elements from one row of a to the next.</param>
    /// <param name="rows">How many; at least one.</param>
    /// <param name="depths">For each row, how far its sum goes; never falling.</param>
    /// <param name="b">The first row of b.</param>
    /// <param name="bStride">Elements from one row of b to the next.</param>
    /// <param name="columns">Columns of b and c.</param>
    /// <param name="c">The first row of c.</param>
    /// <param name="cStride">Elements from one row of c to the next.</param>
    /// <param name="accumulate">Whether sums begin with the old values of c.</param>
    public static void Run(
        float* a, nint aStride, int rows, int* depths, float* b, nint bStride, int columns, float* c, nint cStride, bool accumulate)
    {
        if (rows == 1)
        {
            Single(a, depths[0], b, bStride, columns, c, accumulate);
            return;
        }

        int j = 0;
        for (; j + TSimd.WideColumns <= columns; j += TSimd.WideColumns)
        {
            TSimd.WideProduct(rows, a, aStride, depths[0], b + j, bStride, c + j, cStride, accumulate);
        }

        // What some rows sum beyond the others continues their chains.
        nint common = depths[0];
        for (int i = 1; i < rows && j > 0; i++)
        {
            if (depths[i] > common)
            {
                Single(a + (i * aStride) + common, depths[i] - common, b + (common * bStride), bStride, j, c + (i * cStride), accumulate: true);
            }
        }

        for (int i = 0; i < rows && j < columns; i += NarrowRows)
        {
            Narrow(a + (i * aStride), aStride, int.Min(NarrowRows, rows - i), depths + i, b, bStride, j, columns, c + (i * cStride), cStride, accumulate);
        }
    }

    /// <summary>The columns from j on, of up to four rows.</summary>
    private static void Narrow(
        float* a, nint aStride, int rows, int* depths, float* b, nint bStride, int j, int columns, float* c, nint cStride, bool accumulate)
    {
        // Rows that do not exist are the last one again: they compute and store the same values.
        Row r0 = new(a, c, depths[0]);
        Row r1 = rows > 1 ? new(a + aStride, c + cStride, depths[1]) : r0;
        Row r2 = rows > 2 ? new(a + (2 * aStride), c + (2 * cStride), depths[2]) : r1;
        Row r3 = rows > 3 ? new(a + (3 * aStride), c + (3 * cStride), depths[3]) : r2;
        for (; j + (2 * TSimd.Lanes) <= columns; j += 2 * TSimd.Lanes)
        {
            Quad(r0, r1, r2, r3, b + j, bStride, j, accumulate);
        }

        for (; j < columns; j += TSimd.Lanes)
        {
            TVector mask = TSimd.Mask(int.Min(TSimd.Lanes, columns - j));
            QuadMasked(r0, r1, r2, r3, b + j, bStride, j, mask, accumulate);
        }
    }

    private static void Quad(Row r0, Row r1, Row r2, Row r3, float* b, nint bStride, int j, bool accumulate)
    {
        TVector c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        if (accumulate)
        {
            c00 = TSimd.Load(r0.C + j);
            c01 = TSimd.Load(r0.C + j + TSimd.Lanes);
            c10 = TSimd.Load(r1.C + j);
            c11 = TSimd.Load(r1.C + j + TSimd.Lanes);
            c20 = TSimd.Load(r2.C + j);
            c21 = TSimd.Load(r2.C + j + TSimd.Lanes);
            c30 = TSimd.Load(r3.C + j);
            c31 = TSimd.Load(r3.C + j + TSimd.Lanes);
        }

        float* a0 = r0.A;
        float* a1 = r1.A;
        float* a2 = r2.A;
        float* a3 = r3.A;
        nint common = r0.Depth;
        float* p = b;
        for (nint t = 0; t < common; t++)
        {
            TVector b0 = TSimd.Load(p);
            TVector b1 = TSimd.Load(p + TSimd.Lanes);
            TVector x = TSimd.Broadcast(a0[t]);
            c00 = TSimd.Fma(x, b0, c00);
            c01 = TSimd.Fma(x, b1, c01);
            x = TSimd.Broadcast(a1[t]);
            c10 = TSimd.Fma(x, b0, c10);
            c11 = TSimd.Fma(x, b1, c11);
            x = TSimd.Broadcast(a2[t]);
            c20 = TSimd.Fma(x, b0, c20);
            c21 = TSimd.Fma(x, b1, c21);
            x = TSimd.Broadcast(a3[t]);
            c30 = TSimd.Fma(x, b0, c30);
            c31 = TSimd.Fma(x, b1, c31);
            p += bStride;
        }

        // All are loaded before any is stored, because rows may be the same one.
        TSimd.Store(r0.C + j, c00);
        TSimd.Store(r0.C + j + TSimd.Lanes, c01);
        Rest(r1, common, p, bStride, c10, c11, j);
        Rest(r2, common, p, bStride, c20, c21, j);
        Rest(r3, common, p, bStride, c30, c31, j);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Rest(Row row, nint t, float* b, nint bStride, TVector c0, TVector c1, int j)
    {
        for (; t < row.Depth; t++)
        {
            TVector x = TSimd.Broadcast(row.A[t]);
            c0 = TSimd.Fma(x, TSimd.Load(b), c0);
            c1 = TSimd.Fma(x, TSimd.Load(b + TSimd.Lanes), c1);
            b += bStride;
        }

        TSimd.Store(row.C + j, c0);
        TSimd.Store(row.C + j + TSimd.Lanes, c1);
    }

    private static void QuadMasked(Row r0, Row r1, Row r2, Row r3, float* b, nint bStride, int j, TVector mask, bool accumulate)
    {
        TVector c0 = default, c1 = default, c2 = default, c3 = default;
        if (accumulate)
        {
            c0 = TSimd.LoadMasked(r0.C + j, mask);
            c1 = TSimd.LoadMasked(r1.C + j, mask);
            c2 = TSimd.LoadMasked(r2.C + j, mask);
            c3 = TSimd.LoadMasked(r3.C + j, mask);
        }

        nint common = r0.Depth;
        float* p = b;
        for (nint t = 0; t < common; t++)
        {
            TVector b0 = TSimd.LoadMasked(p, mask);
            c0 = TSimd.Fma(TSimd.Broadcast(r0.A[t]), b0, c0);
            c1 = TSimd.Fma(TSimd.Broadcast(r1.A[t]), b0, c1);
            c2 = TSimd.Fma(TSimd.Broadcast(r2.A[t]), b0, c2);
            c3 = TSimd.Fma(TSimd.Broadcast(r3.A[t]), b0, c3);
            p += bStride;
        }

        TSimd.StoreMasked(r0.C + j, mask, c0);
        RestMasked(r1, common, p, bStride, c1, j, mask);
        RestMasked(r2, common, p, bStride, c2, j, mask);
        RestMasked(r3, common, p, bStride, c3, j, mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RestMasked(Row row, nint t, float* b, nint bStride, TVector c, int j, TVector mask)
    {
        for (; t < row.Depth; t++)
        {
            c = TSimd.Fma(TSimd.Broadcast(row.A[t]), TSimd.LoadMasked(b, mask), c);
            b += bStride;
        }

        TSimd.StoreMasked(row.C + j, mask, c);
    }

    private static void Single(float* a, nint depth, float* b, nint bStride, int columns, float* c, bool accumulate)
    {
        int j = 0;
        for (; j + (4 * TSimd.Lanes) <= columns; j += 4 * TSimd.Lanes)
        {
            TVector c0 = default, c1 = default, c2 = default, c3 = default;
            if (accumulate)
            {
                c0 = TSimd.Load(c + j);
                c1 = TSimd.Load(c + j + TSimd.Lanes);
                c2 = TSimd.Load(c + j + (2 * TSimd.Lanes));
                c3 = TSimd.Load(c + j + (3 * TSimd.Lanes));
            }

            float* p = b + j;
            for (nint t = 0; t < depth; t++)
            {
                TVector x = TSimd.Broadcast(a[t]);
                c0 = TSimd.Fma(x, TSimd.Load(p), c0);
                c1 = TSimd.Fma(x, TSimd.Load(p + TSimd.Lanes), c1);
                c2 = TSimd.Fma(x, TSimd.Load(p + (2 * TSimd.Lanes)), c2);
                c3 = TSimd.Fma(x, TSimd.Load(p + (3 * TSimd.Lanes)), c3);
                p += bStride;
            }

            TSimd.Store(c + j, c0);
            TSimd.Store(c + j + TSimd.Lanes, c1);
            TSimd.Store(c + j + (2 * TSimd.Lanes), c2);
            TSimd.Store(c + j + (3 * TSimd.Lanes), c3);
        }

        for (; j < columns; j += TSimd.Lanes)
        {
            TVector mask = TSimd.Mask(int.Min(TSimd.Lanes, columns - j));
            TVector sum = accumulate ? TSimd.LoadMasked(c + j, mask) : default;
            RestMasked(new Row(a, c, (int)depth), 0, b + j, bStride, sum, j, mask);
        }
    }

    private readonly struct Row(float* a, float* c, int depth)
    {
        public readonly float* A = a;
        public readonly float* C = c;
        public readonly int Depth = depth;
    }
}
