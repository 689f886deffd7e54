using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Some inputs, too many for the sums of all four classes to stay in registers and too few to be worth a panel: weights are decoded in registers, two classes at a time, once for up to
/// <see cref="IProjectionLoops.PairInputs"/> of them. Half of these inputs' elements stay in the first cache meanwhile, the rows in the second, and the rows after them are on their way from memory.
/// </summary>
internal abstract unsafe class PairProjection<TLoops> : ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int RowsTogether = 16;
    private const int Pairs = 2;

    // 768 KiB: all inputs are read again for every few rows, and only a second cache of a megabyte or more keeps so many.
    private const nint MostElements = 192 << 10;

    /// <summary>Whether so many inputs of <paramref name="k"/> elements are computed here; then fewer or shorter ones are too.</summary>
    public static bool Takes(nint k, int inputs) => inputs <= TLoops.MostPairInputs && inputs * k <= MostElements;

    /// <summary>Rises with k and with the number of inputs.</summary>
    public static nint ScratchBytes(nint k, int inputs) => Layout.Bytes(k, inputs);

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

    /// <summary>
    /// Packs all inputs, multiplied with the scales of the rows at <paramref name="row"/>: tile after tile, segment after segment, class after class, of each the vectors of the tile's inputs in turn.
    /// </summary>
    private static void Pack(TensorView weights, nint row, InputRows input, int inputs, float* scratch)
    {
        nint k = weights.Columns;
        float* packed = scratch + Layout.Packed;
        for (int first = 0; first < inputs;)
        {
            int count = TileInputs(inputs, first);
            for (nint start = 0; start < k; start += Segment)
            {
                nint length = nint.Min(Segment, k - start);
                for (int i = 0; i < count; i++)
                {
                    PrepareInput(
                        input.Row(first + i) + start, start, length, weights, row, TLoops.InputFactor, packed + (i * TLoops.Lanes), count * TLoops.Lanes, ClassStride(length, count), scratch + Layout.Group);
                }

                packed += Padded(length) * count;
            }

            first += count;
        }
    }

    /// <summary>All inputs times a few rows that have the same scales.</summary>
    private static void RunBlock(TensorView weights, nint firstRow, int rows, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint rowBytes = weights.RowStride * TLoops.ElementBytes;
        byte* source = weights.RowPointer(firstRow);
        byte* tails = (byte*)(scratch + Layout.Tails);
        nint tailBytes = (k % TLoops.Group) * TLoops.ElementBytes;
        for (int row = 0; row < rows && tailBytes > 0; row++)
        {
            CopyPadded(source + (row * rowBytes) + (k / TLoops.Group * GroupBytes), tailBytes, tails + (row * GroupBytes));
        }

        // Each of the ways over these rows asks for its share of the next ones. Behind the end of a matrix that does nothing: a prefetch never faults.
        nint step = nint.Max(1, GroupBytes / (Pairs * Share(inputs, TLoops.PairInputs)));
        byte* ahead = source + (rows * rowBytes);
        float* packed = scratch + Layout.Packed;
        for (int first = 0; first < inputs;)
        {
            int count = TileInputs(inputs, first);
            for (nint start = 0; start < k; start += Segment)
            {
                nint length = nint.Min(Segment, k - start);
                bool ends = start + length == k;
                for (int pair = 0; pair < Pairs; pair++)
                {
                    for (int row = 0; row < rows; row += TileRows)
                    {
                        PairRows tile = new(
                            source + (row * rowBytes) + (start * TLoops.ElementBytes), rowBytes, int.Min(TileRows, rows - row), length / TLoops.Group,
                            ends && tailBytes > 0 ? tails + (row * GroupBytes) : null, ahead, step);
                        nint vectors = (nint)row * TLoops.PairInputs * TLoops.Lanes;
                        PairSums sums = new(scratch + Layout.Partials + vectors, scratch + Layout.Held + vectors, (ulong*)(scratch + Layout.Reduced) + row);
                        TLoops.PairTile(count, pair, tile, packed, ClassStride(length, count), sums, start == 0, ends && pair == Pairs - 1 ? scratch + Layout.Sums : null);
                        ahead += tile.Rows * tile.Groups * step;
                        if (ends && pair == Pairs - 1)
                        {
                            Store(scratch + Layout.Sums, count, tile.Rows, output + (first * outputStride) + row, outputStride);
                        }
                    }
                }

                packed += Padded(length) * count;
            }

            first += count;
        }
    }

    /// <summary>The inputs of the tile that begins at <paramref name="first"/>: tiles are as even as can be.</summary>
    private static int TileInputs(int inputs, int first) => Share(inputs - first, Share(inputs - first, TLoops.PairInputs));

    private static nint ClassStride(nint length, int inputs) => Padded(length) / Classes * inputs;

    /// <summary>Where in the scratch memory what is kept; in floats.</summary>
    private static class Layout
    {
        private static nint TileVectors => RowsTogether * (nint)TLoops.PairInputs * TLoops.Lanes;

        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>Sums of four rows.</summary>
        public static nint Sums => Group + TLoops.Group;

        /// <summary>See <see cref="PairSums"/>.</summary>
        public static nint Reduced => Sums + Alignment;

        /// <summary>Last, partial groups of the rows.</summary>
        public static nint Tails => Reduced + Alignment;

        /// <summary>Unfinished sums.</summary>
        public static nint Partials => Tails + (RowsTogether * TLoops.Group);

        /// <summary>See <see cref="PairSums"/>.</summary>
        public static nint Held => Partials + TileVectors;

        /// <summary>All inputs, packed.</summary>
        public static nint Packed => Held + TileVectors;

        public static nint Bytes(nint k, int inputs) => (Packed + nint.Min(inputs * Padded(k), MostElements + ((nint)inputs * TLoops.Group))) * sizeof(float);
    }
}
