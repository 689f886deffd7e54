using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Short rows: an output takes so few multiply-adds that adding up its lanes takes as long, and what other ways do between the two, for each of them or for each four rows, takes longer. A few rows are decoded
/// into the first cache and multiplied with one input after the other, with the sums of all four classes in registers.
/// </summary>
internal abstract unsafe class ShortProjection<TLoops> : ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int RowsTogether = 16;
    private const nint MostElements = 256;
    private const int PrefetchDistance = 4096;

    /// <summary>Whether rows of <paramref name="k"/> elements are computed here for so many inputs: with few, decoding in registers is faster, and the sooner the less there is to decode.</summary>
    public static bool Takes(nint k, int inputs) => k <= (TLoops.ElementBytes == 1 ? nint.Clamp(32 * inputs, 64, MostElements) : 64);

    /// <summary>Rises with k and with the number of inputs.</summary>
    public static nint ScratchBytes(nint k, int inputs) => Layout.Bytes(nint.Min(k, MostElements), inputs);

    /// <summary>See <see cref="BlockedProjection{TLoops}.Run"/>.</summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        for (nint row = 0; row < rowCount;)
        {
            nint rows = RowsOfOneScale(weights.Scales, firstRow + row, rowCount - row);
            Pack(weights, firstRow + row, input, inputs, scratch);
            for (nint block = row; block < row + rows; block += RowsTogether)
            {
                RunBlock(weights, firstRow + block, (int)nint.Min(RowsTogether, row + rows - block), inputs, output + block, outputStride, scratch);
            }

            row += rows;
        }
    }

    /// <summary>Arranges all inputs, multiplied with the scales of the rows at <paramref name="row"/>.</summary>
    private static void Pack(TensorView weights, nint row, InputRows input, int inputs, float* scratch)
    {
        nint k = weights.Columns;
        float* scales = TLoops.TileInputFactor != 1f || weights.Scales.IsPresent ? scratch + Layout.Scales : null;
        if (scales is not null)
        {
            PrepareInput(null, 0, k, weights, row, TLoops.TileInputFactor, scales, TLoops.Group, TLoops.Lanes, scratch + Layout.Group);
        }

        for (int i = 0; i < inputs; i++)
        {
            Pack(input.Row(i), k, scales, scratch + Layout.Arranged + (i * Padded(k)), TLoops.Group, TLoops.Lanes, scratch + Layout.Group);
        }
    }

    /// <summary>All inputs times a few rows that have the same scales.</summary>
    private static void RunBlock(TensorView weights, nint firstRow, int rows, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint padded = Padded(weights.Columns);
        nint groups = padded / TLoops.Group;
        float* decoded = scratch + Layout.Decoded;
        float* arranged = scratch + Layout.Arranged;
        Decode(weights, firstRow, rows, decoded, (byte*)(scratch + Layout.Group));
        int whole = rows & -TileRows;
        TLoops.ShortTile(inputs, whole, decoded, arranged, groups, output, outputStride);
        if (whole < rows)
        {
            float* sums = scratch + Layout.Sums;
            TLoops.ShortTile(inputs, TileRows, decoded + (whole * padded), arranged, groups, sums, TileRows);
            for (int i = 0; i < inputs; i++)
            {
                new ReadOnlySpan<float>(sums + (i * TileRows), rows - whole).CopyTo(new Span<float>(output + (i * outputStride) + whole, rows - whole));
            }
        }
    }

    /// <summary>Decodes a few rows, group after group, and asks for those to come. The last row stands in for those that a tile would have and that do not exist, so that tiles never read undefined memory.</summary>
    private static void Decode(TensorView weights, nint firstRow, int rows, float* decoded, byte* tail)
    {
        nint k = weights.Columns;
        nint groups = k / TLoops.Group;
        nint tailBytes = (k % TLoops.Group) * TLoops.ElementBytes;
        byte* source = weights.RowPointer(firstRow);
        nint rowBytes = weights.RowStride * TLoops.ElementBytes;
        for (nint offset = 0; offset < rows * rowBytes; offset += Alignment)
        {
            // Behind the end of a matrix this does nothing: a prefetch never faults.
            Sse.Prefetch0(source + PrefetchDistance + offset);
        }

        if (tailBytes == 0 && weights.RowStride == k && rows % TileRows == 0)
        {
            TLoops.Decode(Classes, source, decoded, TLoops.Group, TLoops.Lanes, rows * groups);
            return;
        }

        for (int row = 0; row < Share(rows, TileRows) * TileRows; row++)
        {
            byte* from = source + (int.Min(row, rows - 1) * rowBytes);
            TLoops.Decode(Classes, from, decoded, TLoops.Group, TLoops.Lanes, groups);
            decoded += groups * TLoops.Group;
            if (tailBytes > 0)
            {
                CopyPadded(from + (groups * GroupBytes), tailBytes, tail);
                TLoops.Decode(Classes, tail, decoded, TLoops.Group, TLoops.Lanes, 1);
                decoded += TLoops.Group;
            }
        }
    }

    /// <summary>Where in the scratch memory short rows keep what; in floats.</summary>
    private static class Layout
    {
        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>A few rows.</summary>
        public static nint Decoded => Group + TLoops.Group;

        /// <summary>Scales, arranged.</summary>
        public static nint Scales => Decoded + (RowsTogether * MostElements);

        /// <summary>Of a tile that has rows that do not exist, four sums of each input.</summary>
        public static nint Sums => Scales + MostElements;

        /// <summary>All inputs, arranged.</summary>
        public static nint Arranged => Sums + (TileRows * BlockedProjection<TLoops>.InputsAtOnce);

        public static nint Bytes(nint k, int inputs) => (Arranged + (inputs * Padded(k))) * sizeof(float);
    }
}
