using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// A linear projection cut into blocks that fit the caches. Every output is summed in one tree, whatever the blocks. K is cut into segments of
/// <see cref="Segment"/> elements, the last one filled up with zeros to whole groups of four vectors. In a segment, lane l of class j adds the products of
/// its elements of the vectors j of all groups, in rising order, by fused multiply-adds, from zero; the classes are added to the lanes of the output in the
/// order 0 … 3, segment after segment; then lanes are added in halves (l and l + L/2, …). Four classes, because a row that is multiplied with few inputs
/// has no other sums to compute while one waits for its last addition.
/// <para>Block scales multiply the activations: x'[k] = round(x[k] · s[k]) times a power of two, once for all weight rows of a block.</para>
/// </summary>
internal static unsafe class BlockedProjection<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int Segment = 2048;
    private const int Classes = 4;
    private const int TileRows = 4;
    private const int PanelRows = 64;
    private const int Alignment = 64;

    // Up to here weights are decoded in registers, by several calls if need be: the later ones find them in the second cache.
    private const int RegisterInputs = 16;
    private const int RegisterRows = 32;

    // Inputs are read for each row of weights again, so those of one call should stay in the nearest cache.
    private const int RegisterElements = 9216;

    /// <summary>Up to how many inputs share one decoding of the weights.</summary>
    public const int InputsAtOnce = 96;

    private static int GroupBytes => TLoops.Group * TLoops.ElementBytes;

    /// <summary>Rises with k and with m: what many inputs need is enough for few.</summary>
    public static nint ScratchBytes(nint k, int m)
    {
        nint registers = RegisterLayout.Bytes(k, int.Min(m, RegisterInputs));
        return Alignment + (m <= RegisterInputs ? registers : nint.Max(registers, new PanelLayout(k, int.Min(m, InputsAtOnce)).Bytes));
    }

    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch)
    {
        float* aligned = (float*)(((nint)scratch + Alignment - 1) & -Alignment);
        for (int i = 0; i < m; i += InputsAtOnce)
        {
            int inputs = int.Min(InputsAtOnce, m - i);
            bool panels = inputs > RegisterInputs;
            float* arranged = panels ? ArrangeInputs(weights.Columns, input.From(i), inputs, aligned) : null;
            for (nint row = 0; row < rowCount;)
            {
                nint rows = RowsOfOneScale(weights.Scales, firstRow + row, rowCount - row);
                float* target = output + (i * outputStride) + row;
                if (panels)
                {
                    rows = nint.Min(rows, PanelRows);
                    int following = (int)nint.Min(PanelRows, rowCount - row - rows);
                    Panel(weights, firstRow + row, (int)rows, following, arranged, inputs, target, outputStride, aligned);
                }
                else
                {
                    Registers(weights, firstRow + row, rows, input.From(i), inputs, target, outputStride, aligned);
                }

                row += rows;
            }
        }
    }

    private static nint RowsOfOneScale(BlockScales scales, nint row, nint limit) =>
        scales.IsPresent ? nint.Min(limit, scales.BlockRows - ((scales.FirstRow + row) % scales.BlockRows)) : limit;

    private static int Share(int a, int b) => (a + b - 1) / b;

    private static nint Padded(nint k) => (k + TLoops.Group - 1) / TLoops.Group * TLoops.Group;

    /// <summary>Few inputs: weights are decoded in registers.</summary>
    private static void Registers(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint padded = Padded(k);
        float* arranged = scratch + RegisterLayout.Arranged;
        for (int i = 0; i < inputs; i++)
        {
            PrepareInput(
                input.Row(i), 0, k, weights, firstRow, TLoops.InputFactor, arranged + (i * padded), TLoops.Group, TLoops.Lanes, scratch + RegisterLayout.Group);
        }

        int fit = (int)nint.Clamp(RegisterElements / padded, 1, TLoops.GemvInputs);
        int together = Share(inputs, Share(inputs, fit));
        for (nint first = 0; first < rowCount; first += RegisterRows)
        {
            int rows = (int)nint.Min(RegisterRows, rowCount - first);
            for (int i = 0; i < inputs; i += together)
            {
                int count = int.Min(together, inputs - i);
                Gemv(weights, firstRow + first, rows, arranged + (i * padded), count, output + (i * outputStride) + first, outputStride, scratch);
            }
        }
    }

    private static void Gemv(
        TensorView weights, nint firstRow, int rowCount, float* arranged, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint rowBytes = weights.RowStride * TLoops.ElementBytes;
        nint groups = k / TLoops.Group;
        nint tailBytes = (k % TLoops.Group) * TLoops.ElementBytes;
        float* sums = scratch + RegisterLayout.Sums;
        float* lanes = scratch + RegisterLayout.Partials;
        byte* tails = tailBytes > 0 ? (byte*)(scratch + RegisterLayout.Tails) : null;
        for (int row = 0; row < rowCount; row += TileRows)
        {
            int rows = int.Min(TileRows, rowCount - row);
            byte* source = weights.RowPointer(firstRow + row);
            for (int r = 0; tails is not null && r < rows; r++)
            {
                CopyPadded(source + (r * rowBytes) + (groups * GroupBytes), tailBytes, tails + (r * GroupBytes));
            }

            TLoops.Gemv(inputs, source, rowBytes, rows, arranged, Padded(k), groups, Segment / TLoops.Group, tails, lanes, sums);
            Store(sums, inputs, rows, output + row, outputStride);
        }
    }

    /// <summary>All of the inputs in the order of decoded weights: tile after tile, of each its segments, of each its classes, of each the inputs' vectors in turn.</summary>
    private static float* ArrangeInputs(nint k, InputRows input, int inputs, float* scratch)
    {
        PanelLayout layout = new(k, inputs);
        float* arranged = scratch + layout.Arranged;
        for (int i = 0; i < inputs; i++)
        {
            (int tile, int place) = Math.DivRem(i, layout.TileInputs);
            int first = tile * layout.TileInputs;
            int tileInputs = int.Min(layout.TileInputs, inputs - first);
            for (nint start = 0; start < k; start += Segment)
            {
                nint count = nint.Min(Segment, k - start);
                float* target = arranged + (first * layout.Padded) + (start * tileInputs) + (place * TLoops.Lanes);
                PrepareInput(
                    input.Row(i) + start, start, count, default, 0, 1f, target, tileInputs * TLoops.Lanes, Padded(count) / Classes * tileInputs, scratch + PanelLayout.Group);
            }
        }

        return arranged;
    }

    /// <summary>
    /// Many inputs: a panel of rows is decoded and stays in the second cache; one tile of inputs after the other is scaled for it. Meanwhile the next panel's
    /// weights, of which <paramref name="following"/> rows are to come, are on their way from memory.
    /// </summary>
    private static void Panel(
        TensorView weights, nint firstRow, int rows, int following, float* arranged, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        PanelLayout layout = new(k, inputs);
        float* decoded = scratch + PanelLayout.Decoded;
        float* sums = scratch + PanelLayout.Sums;
        bool scaled = TLoops.TileInputFactor != 1f || weights.Scales.IsPresent;
        for (nint start = 0; start < k; start += Segment)
        {
            nint count = nint.Min(Segment, k - start);
            nint length = Padded(count);
            nint vectors = length / TLoops.Group;
            if (scaled)
            {
                PrepareInput(
                    null, start, count, weights, firstRow, TLoops.TileInputFactor, scratch + layout.Scales, TLoops.Lanes, length / Classes, scratch + PanelLayout.Group);
            }

            for (int row = 0; row < rows; row += TileRows)
            {
                DecodeRows(weights, firstRow + row, int.Min(TileRows, rows - row), start, count, decoded + (row * length), scratch + layout.Tail);
            }

            bool ends = start + count == k;
            nint next = ends ? 0 : start + Segment;
            WeightsAhead ahead = new(weights, ends ? firstRow + rows : firstRow, ends ? following : rows, next, nint.Min(Segment, k - next));
            nint linesForTile = ahead.Lines / (Share(inputs, layout.TileInputs) * Classes * Share(rows, TileRows)) + 1;
            int tileInputs;
            for (int i = 0; i < inputs; i += tileInputs)
            {
                tileInputs = int.Min(layout.TileInputs, inputs - i);
                float* packed = arranged + (i * layout.Padded) + (start * tileInputs);
                float* partials = scratch + layout.Partials + (layout.KeptInputs(i) * PanelRows * TLoops.Lanes);
                for (int c = 0; c < Classes; c++)
                {
                    float* tile = packed + (c * (length / Classes) * tileInputs);
                    if (scaled)
                    {
                        TLoops.Scale(tileInputs, tile, scratch + layout.Scales + (c * (length / Classes)), scratch + layout.Scaled, vectors);
                        tile = scratch + layout.Scaled;
                    }

                    bool last = ends && c == Classes - 1;
                    for (int row = 0; row < rows; row += TileRows)
                    {
                        float* panel = decoded + (row * length) + (c * (length / Classes) * TileRows);
                        float* lanes = partials + (row * tileInputs * TLoops.Lanes);
                        ahead.Prefetch(linesForTile);
                        TLoops.Tile(tileInputs, panel, tile, vectors, lanes, start == 0 && c == 0, last ? sums : null);
                        if (last)
                        {
                            Store(sums, tileInputs, int.Min(TileRows, rows - row), output + (i * outputStride) + row, outputStride);
                        }
                    }
                }
            }
        }
    }

    private static void Store(float* sums, int inputs, int rows, float* output, nint outputStride)
    {
        for (int i = 0; i < inputs; i++)
        {
            Vector128<float> four = Vector128.Load(sums + (i * TileRows)) * TLoops.OutputFactor;
            if (rows == TileRows)
            {
                four.Store(output + (i * outputStride));
                continue;
            }

            for (int r = 0; r < rows; r++)
            {
                output[(i * outputStride) + r] = four[r];
            }
        }
    }

    /// <summary>
    /// Decodes a segment of four weight rows and packs them, class after class; the last row stands in for those that do not exist, so that tiles never read
    /// undefined memory.
    /// </summary>
    private static void DecodeRows(TensorView weights, nint firstRow, int rows, nint start, nint count, float* decoded, float* tail)
    {
        nint groups = count / TLoops.Group;
        nint tailBytes = (count % TLoops.Group) * TLoops.ElementBytes;
        nint classStride = Padded(count) / Classes * TileRows;
        for (int r = 0; r < TileRows; r++)
        {
            byte* source = weights.RowPointer(firstRow + int.Min(r, rows - 1)) + (start * TLoops.ElementBytes);
            float* target = decoded + (r * TLoops.Lanes);
            Prefetch(source + (TileRows * weights.RowStride * TLoops.ElementBytes), count * TLoops.ElementBytes);
            TLoops.Decode(source, target, TileRows * TLoops.Lanes, classStride, groups);
            if (tailBytes > 0)
            {
                CopyPadded(source + (groups * GroupBytes), tailBytes, (byte*)tail);
                TLoops.Decode((byte*)tail, target + (groups * TileRows * TLoops.Lanes), TileRows * TLoops.Lanes, classStride, 1);
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

    private static void CopyPadded(byte* source, nint bytes, byte* group)
    {
        Span<byte> target = new(group, GroupBytes);
        new ReadOnlySpan<byte>(source, (int)bytes).CopyTo(target);
        target[(int)bytes..].Clear();
    }

    /// <summary>
    /// Arranges <paramref name="count"/> activations, or ones where <paramref name="input"/> is null, multiplied by what the weight rows at
    /// <paramref name="row"/> are scaled with from column <paramref name="column"/> on and by <paramref name="factor"/>, and fills the last group up with zeros.
    /// <paramref name="group"/> is room for one.
    /// </summary>
    private static void PrepareInput(
        float* input, nint column, nint count, TensorView weights, nint row, float factor, float* arranged, nint stride, nint classStride, float* group)
    {
        for (nint k = 0; k < count; arranged += stride)
        {
            nint run = RunOfOneScale(weights.Scales, row, column + k, count - k, out float scale);
            nint groups = run / TLoops.Group;
            if (groups > 0 && input is not null)
            {
                TLoops.Arrange(input + k, scale * factor, arranged, stride, classStride, groups);
                k += groups * TLoops.Group;
                arranged += (groups - 1) * stride;
                continue;
            }

            // Ones, a group in which scales change, or the last, partial one.
            for (nint i = 0; i < TLoops.Group;)
            {
                nint left = nint.Min(TLoops.Group - i, count - k - i);
                if (left <= 0)
                {
                    group[i++] = 0;
                    continue;
                }

                run = RunOfOneScale(weights.Scales, row, column + k + i, left, out scale);
                for (nint end = i + run; i < end; i++)
                {
                    group[i] = input is null ? scale * factor : input[k + i] * (scale * factor);
                }
            }

            TLoops.Arrange(group, 1f, arranged, stride, classStride, 1);
            k += TLoops.Group;
        }
    }

    private static nint RunOfOneScale(BlockScales scales, nint row, nint column, nint limit, out float scale)
    {
        if (!scales.IsPresent)
        {
            scale = 1f;
            return limit;
        }

        (nint block, nint offset) = Math.DivRem(column, scales.BlockColumns);
        scale = scales.Row(row)[block];
        return nint.Min(limit, scales.BlockColumns - offset);
    }

    /// <summary>A segment of weight rows that will be decoded next, asked for a few lines at a time while others are multiplied.</summary>
    private ref struct WeightsAhead
    {
        private readonly nint _stride;
        private readonly nint _bytes;
        private byte* _row;
        private nint _offset;
        private nint _left;

        public WeightsAhead(TensorView weights, nint firstRow, int rows, nint start, nint count)
        {
            _stride = weights.RowStride * TLoops.ElementBytes;
            _bytes = count * TLoops.ElementBytes;
            _row = weights.RowPointer(0) + (firstRow * _stride) + (start * TLoops.ElementBytes);
            _left = rows;
        }

        public readonly nint Lines => _left * ((_bytes + Alignment - 1) / Alignment);

        public void Prefetch(nint lines)
        {
            for (; lines > 0 && _left > 0; lines--)
            {
                Sse.Prefetch1(_row + _offset);
                _offset += Alignment;
                if (_offset >= _bytes)
                {
                    _offset = 0;
                    _row += _stride;
                    _left--;
                }
            }
        }
    }

    /// <summary>Where in the scratch memory few inputs keep what; in floats.</summary>
    private static class RegisterLayout
    {
        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>Sums of four rows.</summary>
        public static nint Sums => Group + TLoops.Group;

        /// <summary>Last, partial groups of four rows.</summary>
        public static nint Tails => Sums + Alignment;

        /// <summary>Unfinished sums, a vector for each input and row.</summary>
        public static nint Partials => Tails + (TileRows * TLoops.Group);

        /// <summary>All inputs, arranged.</summary>
        public static nint Arranged => Partials + (TileRows * TLoops.GemvInputs * TLoops.Lanes);

        public static nint Bytes(nint k, int inputs) => (Arranged + (inputs * Padded(k))) * sizeof(float);
    }

    /// <summary>Where in the scratch memory a panel keeps what; in floats.</summary>
    private readonly ref struct PanelLayout(nint k, int inputs)
    {
        private readonly nint _segment = nint.Min(Padded(k), Segment);
        private readonly bool _keepsAll = k > Segment;

        /// <summary>Inputs of a tile but the last: tiles are about equal, since narrow ones wait for their own sums.</summary>
        public int TileInputs { get; } = Share(inputs, Share(inputs, TLoops.TileInputs));

        /// <summary>Elements of K, rounded up to groups.</summary>
        public nint Padded { get; } = Padded(k);

        /// <summary>One group.</summary>
        public static nint Group => 0;

        /// <summary>Sums of a tile.</summary>
        public static nint Sums => Group + TLoops.Group;

        /// <summary>Decoded weights: [PanelRows, a segment].</summary>
        public static nint Decoded => Sums + Alignment;

        /// <summary>Scales of a segment, arranged.</summary>
        public nint Scales => Decoded + (_segment * PanelRows);

        /// <summary>A class of a segment of the inputs of one tile, scaled.</summary>
        public nint Scaled => Scales + _segment;

        /// <summary>A last, partial group of weights.</summary>
        public nint Tail => Scaled + (_segment / Classes * TLoops.TileInputs);

        /// <summary>Unfinished sums, a vector for each input and row: of one tile, or of all where there is more than one segment.</summary>
        public nint Partials => Tail + TLoops.Group;

        /// <summary>All inputs, arranged: the tiles, of Padded elements for each of their inputs, one after the other.</summary>
        public nint Arranged => Partials + (PanelRows * (nint)(_keepsAll ? inputs : TLoops.TileInputs) * TLoops.Lanes);

        public nint Bytes => (Arranged + (inputs * Padded)) * sizeof(float);

        /// <summary>How many inputs before <paramref name="input"/> keep unfinished sums.</summary>
        public nint KeptInputs(int input) => _keepsAll ? input : 0;
    }
}
