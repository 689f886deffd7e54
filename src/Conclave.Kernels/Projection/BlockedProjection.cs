using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// A linear projection cut into blocks that fit the caches. Every output is summed in one tree, whatever the blocks: lane l of one vector adds the
/// products of its elements by fused multiply-adds, groups of K in rising order and the vectors of a group in rising order, the last group filled
/// up with zeros; then lanes are added in halves (l and l + L/2, …). Between two stretches of K the lanes are stored, not added.
/// <para>Block scales multiply the activations: x'[k] = round(x[k] · s[k]) times a power of two, once for all weight rows of a block.</para>
/// </summary>
internal static unsafe class BlockedProjection<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int TileRows = 4;
    private const int PanelRows = 64;
    private const int PanelInputs = 96;
    private const int StretchLength = 512;
    private const int Alignment = 64;

    private static int GroupBytes => TLoops.Group * TLoops.ElementBytes;

    /// <summary>Rises with k and with m: what many inputs need is enough for few.</summary>
    public static nint ScratchBytes(nint k, int m)
    {
        nint gemv = GemvScratch(k, int.Min(m, TLoops.GemvInputs));
        return Alignment + (m <= TLoops.GemvInputs ? gemv : nint.Max(gemv, PanelScratch(k, m)));
    }

    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch)
    {
        float* aligned = (float*)(((nint)scratch + Alignment - 1) & -Alignment);
        for (int i = 0; i < m; i += PanelInputs)
        {
            int inputs = int.Min(PanelInputs, m - i);
            for (nint row = 0; row < rowCount;)
            {
                nint rows = RowsOfOneScale(weights.Scales, firstRow + row, rowCount - row);
                float* target = output + (i * outputStride) + row;
                if (m <= TLoops.GemvInputs)
                {
                    Gemv(weights, firstRow + row, rows, input, m, target, outputStride, aligned);
                }
                else
                {
                    rows = nint.Min(rows, PanelRows);
                    Panel(weights, firstRow + row, (int)rows, input.From(i), inputs, target, outputStride, aligned);
                }

                row += rows;
            }
        }
    }

    private static nint RowsOfOneScale(BlockScales scales, nint row, nint limit) =>
        scales.IsPresent ? nint.Min(limit, scales.BlockRows - ((scales.FirstRow + row) % scales.BlockRows)) : limit;

    private static nint Groups(nint k) => (k + TLoops.Group - 1) / TLoops.Group;

    private static nint GemvScratch(nint k, int m) =>
        ((((m + 1) * Groups(k) * TLoops.Group) + (TileRows * TLoops.GemvInputs)) * sizeof(float)) + (TileRows * GroupBytes);

    private static nint PanelScratch(nint k, int m)
    {
        nint stretch = nint.Min(Groups(k) * TLoops.Group, StretchLength);
        nint inputs = int.Min(m, PanelInputs);
        nint floats = stretch + (stretch * PanelRows) + (stretch * inputs) + (PanelRows * inputs * TLoops.Lanes) + (TileRows * TLoops.TileInputs);
        return (floats * sizeof(float)) + GroupBytes;
    }

    private static void Gemv(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint padded = Groups(k) * TLoops.Group;
        float* arranged = scratch;
        float* natural = arranged + (inputs * padded);
        float* sums = natural + padded;
        byte* tails = (byte*)(sums + (TileRows * TLoops.GemvInputs));
        for (int i = 0; i < inputs; i++)
        {
            PrepareInput(input.Row(i), 0, k, weights, firstRow, TLoops.InputFactor, arranged + (i * padded), natural);
        }

        nint rowBytes = weights.RowStride * TLoops.ElementBytes;
        nint groups = k / TLoops.Group;
        nint tailBytes = (k % TLoops.Group) * TLoops.ElementBytes;
        for (nint row = 0; row < rowCount; row += TileRows)
        {
            int rows = (int)nint.Min(TileRows, rowCount - row);
            byte* first = weights.RowPointer(firstRow + row);
            for (int r = 0; tailBytes > 0 && r < rows; r++)
            {
                CopyPadded(first + (r * rowBytes) + (groups * GroupBytes), tailBytes, tails + (r * GroupBytes));
            }

            TLoops.Gemv(inputs, first, rowBytes, rows, arranged, padded, groups, tailBytes > 0 ? tails : null, sums);
            Store(sums, inputs, rows, output + row, outputStride);
        }
    }

    private static void Panel(
        TensorView weights, nint firstRow, int rows, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint stretch = nint.Min(Groups(k) * TLoops.Group, StretchLength);
        float* natural = scratch;
        float* decoded = natural + stretch;
        float* arranged = decoded + (stretch * PanelRows);
        float* partials = arranged + (stretch * inputs);
        float* sums = partials + (PanelRows * (nint)inputs * TLoops.Lanes);
        byte* tail = (byte*)(sums + (TileRows * TLoops.TileInputs));
        for (nint start = 0; start < k; start += stretch)
        {
            nint count = nint.Min(stretch, k - start);
            nint length = Groups(count) * TLoops.Group;
            for (int i = 0; i < inputs; i++)
            {
                PrepareInput(input.Row(i), start, count, weights, firstRow, TLoops.TileInputFactor, arranged + (i * length), natural);
            }

            for (int i = 0; i < inputs; i += TLoops.TileInputs)
            {
                int tileInputs = int.Min(TLoops.TileInputs, inputs - i);
                for (int row = 0; row < rows; row += TileRows)
                {
                    float* panel = decoded + (row * length);
                    if (i == 0)
                    {
                        DecodeRows(weights, firstRow + row, int.Min(TileRows, rows - row), start, count, panel, length, tail);
                    }

                    bool last = start + count == k;
                    float* lanes = partials + (((i * (nint)PanelRows) + (row * (nint)tileInputs)) * TLoops.Lanes);
                    TLoops.Tile(
                        tileInputs, panel, length, arranged + (i * length), length, length / TLoops.Lanes, lanes, start == 0, last ? sums : null);
                    if (last)
                    {
                        Store(sums, tileInputs, int.Min(TileRows, rows - row), output + (i * outputStride) + row, outputStride);
                    }
                }
            }
        }
    }

    private static void Store(float* sums, int inputs, int rows, float* output, nint outputStride)
    {
        for (int i = 0; i < inputs; i++)
        {
            for (int r = 0; r < rows; r++)
            {
                output[(i * outputStride) + r] = sums[(i * TileRows) + r] * TLoops.OutputFactor;
            }
        }
    }

    /// <summary>Decodes a stretch of four weight rows; the last row stands in for those that do not exist, so that tiles never read undefined memory.</summary>
    private static void DecodeRows(TensorView weights, nint firstRow, int rows, nint start, nint count, float* decoded, nint length, byte* tail)
    {
        nint groups = count / TLoops.Group;
        nint tailBytes = (count % TLoops.Group) * TLoops.ElementBytes;
        for (int r = 0; r < TileRows; r++)
        {
            byte* source = weights.RowPointer(firstRow + int.Min(r, rows - 1)) + (start * TLoops.ElementBytes);
            float* target = decoded + (r * length);
            TLoops.Decode(source, target, groups);
            Prefetch(source + (count * TLoops.ElementBytes), count * TLoops.ElementBytes);
            if (tailBytes > 0)
            {
                CopyPadded(source + (groups * GroupBytes), tailBytes, tail);
                TLoops.Decode(tail, target + (groups * TLoops.Group), 1);
            }
        }
    }

    /// <summary>
    /// Asks for the next stretch of a row while this one is multiplied: pieces of rows are too short for the machine to foresee it. Behind the end of a
    /// matrix this does nothing: a prefetch never faults.
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

    /// <summary>Scales a stretch of activations for the weight rows at <paramref name="row"/>, fills its last group up with zeros and arranges it.</summary>
    private static void PrepareInput(
        float* input, nint start, nint count, TensorView weights, nint row, float factor, float* arranged, float* natural)
    {
        nint groups = Groups(count);
        float* source = input + start;
        if (factor != 1f)
        {
            ScaleInput(source, start, count, weights.Scales, row, factor, natural);
            source = natural;
        }
        else if (count % TLoops.Group != 0)
        {
            nint whole = count / TLoops.Group * TLoops.Group;
            TLoops.Arrange(source, arranged, groups - 1);
            new ReadOnlySpan<float>(source + whole, (int)(count - whole)).CopyTo(new Span<float>(natural, TLoops.Group));
            source = natural;
            arranged += whole;
            count -= whole;
            groups = 1;
        }

        for (nint k = count; k < groups * TLoops.Group; k++)
        {
            natural[k] = 0;
        }

        TLoops.Arrange(source, arranged, groups);
    }

    private static void ScaleInput(float* source, nint start, nint count, BlockScales scales, nint row, float factor, float* target)
    {
        for (nint k = 0; k < count;)
        {
            nint run = count - k;
            float scale = factor;
            if (scales.IsPresent)
            {
                (nint block, nint offset) = Math.DivRem(start + k, scales.BlockColumns);
                run = nint.Min(run, scales.BlockColumns - offset);
                scale *= scales.Row(row)[block];
            }

            Multiply(source + k, scale, target + k, run);
            k += run;
        }
    }

    private static void Multiply(float* source, float factor, float* target, nint count)
    {
        nint k = 0;
        for (; k + Vector256<float>.Count <= count; k += Vector256<float>.Count)
        {
            (Vector256.Load(source + k) * factor).Store(target + k);
        }

        for (; k < count; k++)
        {
            target[k] = source[k] * factor;
        }
    }
}
