using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Many inputs: a panel of weight rows is decoded and stays in the second cache while all inputs are multiplied with it. Meanwhile the
/// next panel's weights are on their way from memory. Panels whose rows have the same scales share their inputs, which are packed for the first of them.
/// </summary>
internal abstract unsafe class PanelProjection<TLoops> : ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    // As many as usually have the same scales.
    private const int MostBlockRows = 128;

    /// <summary>Rises with k and with the number of inputs.</summary>
    public static nint ScratchBytes(nint k, int inputs) => new Layout(k, inputs).Bytes;

    /// <summary>See <see cref="BlockedProjection{TLoops}.Run"/>.</summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        Layout layout = new(weights.Columns, inputs);
        for (nint row = 0; row < rowCount;)
        {
            int rows = (int)nint.Min(MostBlockRows, RowsOfOneScale(weights.Scales, firstRow + row, rowCount - row));
            int following = (int)nint.Min(TLoops.PanelRows, rowCount - row - rows);
            RunBlock(layout, weights, firstRow + row, rows, following, input, output + row, outputStride, scratch);
            row += rows;
        }
    }

    /// <summary>Rows that have the same scales; <paramref name="following"/> rows are to come after them.</summary>
    private static void RunBlock(
        in Layout layout, TensorView weights, nint firstRow, int rows, int following, InputRows input, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        float* scales = TLoops.TileInputFactor != 1f || weights.Scales.IsPresent ? scratch + layout.Scales : null;
        for (nint start = 0; start < k; start += Segment)
        {
            nint count = nint.Min(Segment, k - start);
            if (scales is not null)
            {
                PrepareInput(null, start, count, weights, firstRow, TLoops.TileInputFactor, scales, TLoops.Group, TLoops.Lanes, scratch + Layout.Group);
            }

            for (int row = 0; row < rows; row += TLoops.PanelRows)
            {
                int panelRows = int.Min(TLoops.PanelRows, rows - row);
                DecodePanel(layout, weights, firstRow + row, panelRows, start, count, scratch);
                WeightsAhead<TLoops> ahead = Ahead(weights, firstRow, rows, following, row + panelRows, start);
                MultiplyPanel(layout, start, count, start + count == k, row, panelRows, input, scales, ref ahead, output + row, outputStride, scratch);
            }
        }
    }

    /// <summary>What is decoded after a panel that ends before <paramref name="row"/>: the next one of the block, or the first one of its next segment, or of the next block.</summary>
    private static WeightsAhead<TLoops> Ahead(TensorView weights, nint firstRow, int rows, int following, int row, nint start)
    {
        nint next = start + Segment;
        if (row < rows)
        {
            return new WeightsAhead<TLoops>(weights, firstRow + row, int.Min(TLoops.PanelRows, rows - row), start, nint.Min(Segment, weights.Columns - start));
        }

        return next < weights.Columns
            ? new WeightsAhead<TLoops>(weights, firstRow, int.Min(TLoops.PanelRows, rows), next, nint.Min(Segment, weights.Columns - next))
            : new WeightsAhead<TLoops>(weights, firstRow + rows, following, 0, nint.Min(Segment, weights.Columns));
    }

    /// <summary>
    /// All inputs times a segment of a decoded panel, whose first row is number <paramref name="firstRow"/> of its block; <paramref name="scales"/> is null where inputs are taken as they are.
    /// </summary>
    private static void MultiplyPanel(
        in Layout layout, nint start, nint count, bool ends, int firstRow, int rows, InputRows input, float* scales, ref WeightsAhead<TLoops> ahead, float* output, nint outputStride, float* scratch)
    {
        nint classLength = Padded(count) / Classes;
        int paddedRows = Share(rows, TileRows) * TileRows;
        nint linesForTile = (ahead.Lines / (layout.Tiles * Classes * (paddedRows / TileRows))) + 1;
        float* sums = scratch + Layout.Sums;
        for (int firstTile = 0; firstTile < layout.Tiles; firstTile += TLoops.TilesTogether)
        {
            int endTile = int.Min(firstTile + TLoops.TilesTogether, layout.Tiles);
            int firstInput = layout.FirstInput(firstTile);
            int together = layout.FirstInput(endTile) - firstInput;
            float* packed = scratch + layout.PackedInputs(firstInput);
            float* partials = scratch + layout.PartialSums(firstRow, firstInput, together);
            for (int c = 0; c < Classes; c++)
            {
                float* stream = scratch + Layout.Decoded + (TLoops.Stream(layout.Streams, c) * TLoops.PanelRows * classLength);
                bool first = start == 0 && c == 0;
                bool last = ends && c == Classes - 1;
                for (int t = firstTile; t < endTile; t++)
                {
                    int i = layout.FirstInput(t);
                    int tileInputs = layout.FirstInput(t + 1) - i;
                    float* tile = packed + ((i - firstInput) * classLength);
                    for (int j = 0; j < tileInputs && firstRow == 0 && c == 0; j++)
                    {
                        Pack(input.Row(i + j) + start, count, scales, tile + (j * TLoops.Lanes), tileInputs * TLoops.Lanes, classLength * together, scratch + Layout.Group);
                    }

                    tile += c * classLength * together;
                    float* lanes = partials + ((i - firstInput) * paddedRows * TLoops.Lanes);
                    for (int row = 0; row < rows; row += TileRows)
                    {
                        ahead.Prefetch(linesForTile);
                        TLoops.Tile(tileInputs, layout.Streams, c, stream + (row * classLength), tile, classLength / TLoops.Lanes, lanes + (row * tileInputs * TLoops.Lanes), first, last ? sums : null);
                        if (last)
                        {
                            Store(sums, tileInputs, int.Min(TileRows, rows - row), output + (i * outputStride) + row, outputStride);
                        }
                    }
                }
            }
        }
    }

    /// <summary>Decodes a segment of a panel's rows.</summary>
    private static void DecodePanel(in Layout layout, TensorView weights, nint firstRow, int rows, nint start, nint count, float* scratch)
    {
        nint length = Padded(count);
        for (int row = 0; row < rows; row += TileRows)
        {
            float* decoded = scratch + Layout.Decoded + (row * length / Classes);
            DecodeRows(layout.Streams, weights, firstRow + row, int.Min(TileRows, rows - row), start, count, decoded, scratch + layout.Tail);
        }
    }

    /// <summary>
    /// Decodes a segment of four weight rows into the streams of their panel; the last row stands in for those that do not exist, so that tiles never read
    /// undefined memory.
    /// </summary>
    private static void DecodeRows(int streams, TensorView weights, nint firstRow, int rows, nint start, nint count, float* decoded, float* tail)
    {
        nint groups = count / TLoops.Group;
        nint tailBytes = (count % TLoops.Group) * TLoops.ElementBytes;
        nint streamStride = Padded(count) / Classes * TLoops.PanelRows;
        for (int r = 0; r < TileRows; r++)
        {
            byte* source = weights.RowPointer(firstRow + int.Min(r, rows - 1)) + (start * TLoops.ElementBytes);
            float* target = decoded + (r * TLoops.Lanes);
            Prefetch(source + (TileRows * weights.RowStride * TLoops.ElementBytes), count * TLoops.ElementBytes);
            TLoops.Decode(streams, source, target, TileRows * TLoops.Lanes, streamStride, groups);
            if (tailBytes > 0)
            {
                CopyPadded(source + (groups * GroupBytes), tailBytes, (byte*)tail);
                TLoops.Decode(streams, (byte*)tail, target + (groups * TileRows * TLoops.Lanes), TileRows * TLoops.Lanes, streamStride, 1);
            }
        }
    }

    /// <summary>
    /// Asks for what is decoded next while this is multiplied: pieces of rows are too short for the machine to foresee it. Behind the end of a matrix this
    /// does nothing: a prefetch never faults.
    /// </summary>
    private static void Prefetch(byte* address, nint bytes)
    {
        for (nint offset = 0; offset < bytes; offset += Alignment)
        {
            Sse.Prefetch1(address + offset);
        }
    }

    /// <summary>Where in the scratch memory a panel keeps what; in floats.</summary>
    private readonly ref struct Layout(nint k, int inputs)
    {
        private readonly int _inputs = inputs;
        private readonly nint _segment = nint.Min(Padded(k), Segment);
        private readonly bool _keepsAll = k > Segment;

        /// <summary>See <see cref="IProjectionLoops.Streams"/>.</summary>
        public int Streams { get; } = TLoops.Streams(inputs);

        /// <summary>Tiles of inputs.</summary>
        public int Tiles => Share(_inputs, TLoops.TileInputs);

        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>Sums of a tile.</summary>
        public static nint Sums => Group + TLoops.Group;

        /// <summary>Decoded weights: the streams of a panel's rows, of one segment.</summary>
        public static nint Decoded => Sums + Alignment;

        /// <summary>Scales of a segment, arranged.</summary>
        public nint Scales => Decoded + (_segment / Classes * Streams * TLoops.PanelRows);

        /// <summary>A segment of the inputs: of the tiles that go together, or of all where more than one panel needs them.</summary>
        private nint Packed => Scales + _segment;

        /// <summary>A last, partial group of weights.</summary>
        public nint Tail => Packed + (_segment * (IsShared ? _inputs : InputsTogether));

        /// <summary>Unfinished sums, a vector for each input and row: of the tiles that go together and one panel, or of all in a block where there is more than one segment.</summary>
        private nint Partials => Tail + TLoops.Group;

        public nint Bytes => (Partials + ((_keepsAll ? MostBlockRows * (nint)_inputs : TLoops.PanelRows * InputsTogether) * TLoops.Lanes)) * sizeof(float);

        private static bool IsShared => TLoops.PanelRows < MostBlockRows;

        private static nint InputsTogether => (nint)TLoops.TileInputs * TLoops.TilesTogether;

        /// <summary>The first input of a tile. They are as even as can be, since narrow ones wait for their own sums.</summary>
        public int FirstInput(int tile) => (int)((long)_inputs * tile / Tiles);

        /// <summary>Where the inputs of the tiles that go together from <paramref name="input"/> on are packed.</summary>
        public nint PackedInputs(int input) => Packed + (IsShared ? input * _segment : 0);

        /// <summary>Where the unfinished sums of the panel at <paramref name="row"/> of its block and of <paramref name="count"/> inputs, those of the tiles that go together from <paramref name="input"/> on, are.</summary>
        public nint PartialSums(int row, int input, int count) => Partials + (_keepsAll ? ((MostBlockRows * (nint)input) + (row * (nint)count)) * TLoops.Lanes : 0);
    }
}
