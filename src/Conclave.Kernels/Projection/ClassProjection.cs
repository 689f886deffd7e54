using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Some inputs, too many for the sums of all four classes to stay in registers and too few to be worth a panel: weights are decoded in registers, one or two classes at a time, once for up to
/// <see cref="IProjectionLoops.ClassInputs"/> of them. Their elements of these classes stay in the first cache meanwhile, the rows in the second, and the rows after them are on their way from memory.
/// </summary>
internal abstract unsafe class ClassProjection<TLoops> : ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int RowsTogether = 16;

    // 768 KiB: all inputs are read again for every few rows, and only a second cache of a megabyte or more keeps so many.
    private const nint MostElements = 192 << 10;

    /// <summary>Whether so many inputs of <paramref name="k"/> elements are computed here; then fewer or shorter ones are too.</summary>
    public static bool Takes(nint k, int inputs) => inputs <= TLoops.MostClassInputs && inputs * k <= MostElements;

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
        float* scales = TLoops.InputFactor != 1f || weights.Scales.IsPresent ? scratch + Layout.Scales : null;
        for (nint start = 0; start < k; start += Segment)
        {
            nint length = nint.Min(Segment, k - start);
            if (scales is not null)
            {
                PrepareInput(null, start, length, weights, row, TLoops.InputFactor, scales, TLoops.Group, TLoops.Lanes, scratch + Layout.Group);
            }

            for (int first = 0; first < inputs;)
            {
                int count = TileInputs(inputs, first);
                float* packed = scratch + Layout.Packed + (first * Padded(k)) + (count * start);
                for (int i = 0; i < count; i++)
                {
                    Pack(input.Row(first + i) + start, length, scales, packed + (i * TLoops.Lanes), count * TLoops.Lanes, Padded(length) / Classes * count, scratch + Layout.Group);
                }

                first += count;
            }
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

        byte* ahead = source + (rows * rowBytes);
        float* packed = scratch + Layout.Packed;
        float* lanes = scratch + Layout.Partials;
        ClassSums sums = new(lanes, scratch + Layout.Held, (ulong*)(scratch + Layout.Small), scratch + Layout.Reduced);
        for (int first = 0; first < inputs;)
        {
            int count = TileInputs(inputs, first);
            int passes = Classes / TLoops.ClassesTogether(count);

            // Each of the ways over these rows asks for its share of the next ones. Behind the end of a matrix that does nothing: a prefetch never faults.
            nint step = nint.Max(1, GroupBytes * count / (passes * inputs));
            for (nint start = 0; start < k; start += Segment)
            {
                nint length = nint.Min(Segment, k - start);
                nint groups = length / TLoops.Group;
                byte* partial = length % TLoops.Group > 0 ? tails : null;
                for (int pass = 0; pass < passes; pass++)
                {
                    ClassRows block = new(source + (start * TLoops.ElementBytes), rowBytes, rows, groups, partial, ahead, step);
                    TLoops.ClassTile(count, pass, block, packed, Padded(length) / Classes * count, sums, start == 0);
                    ahead += rows * groups * step;
                }

                packed += Padded(length) * count;
            }

            for (int row = 0; row < rows; row += TileRows)
            {
                TLoops.AddLanes(count, lanes + (row * count * TLoops.Lanes), scratch + Layout.Sums);
                Store(scratch + Layout.Sums, count, int.Min(TileRows, rows - row), output + (first * outputStride) + row, outputStride);
            }

            first += count;
        }
    }

    /// <summary>The inputs of the tile that begins at <paramref name="first"/>: tiles are as even as can be.</summary>
    private static int TileInputs(int inputs, int first) => Share(inputs - first, Share(inputs - first, TLoops.ClassInputs));

    /// <summary>Where in the scratch memory what is kept; in floats. Everything begins at a cache line: vectors that lie in two cost a quarter of the speed.</summary>
    private static class Layout
    {
        private static nint TileVectors => RowsTogether * (nint)TLoops.ClassInputs * TLoops.Lanes;

        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>Sums of four rows, of no more inputs than there are lanes.</summary>
        public static nint Sums => Group + TLoops.Group;

        /// <summary>See <see cref="ClassSums"/>.</summary>
        public static nint Small => Sums + (TileRows * TLoops.Lanes);

        /// <summary>See <see cref="ClassSums"/>.</summary>
        public static nint Reduced => Small + (RowsTogether * ClassSums.MostGroups * sizeof(ulong) / sizeof(float));

        /// <summary>Last, partial groups of the rows.</summary>
        public static nint Tails => Reduced + (TLoops.ClassInputs * TLoops.Lanes);

        /// <summary>Unfinished sums.</summary>
        public static nint Partials => Tails + (RowsTogether * TLoops.Group);

        /// <summary>See <see cref="ClassSums"/>.</summary>
        public static nint Held => Partials + TileVectors;

        /// <summary>Scales of a segment, arranged.</summary>
        public static nint Scales => Held + TileVectors;

        /// <summary>All inputs, packed.</summary>
        public static nint Packed => Scales + Segment;

        public static nint Bytes(nint k, int inputs) => (Packed + nint.Min(inputs * Padded(k), MostElements + ((nint)inputs * TLoops.Group))) * sizeof(float);
    }
}
