using System.Runtime.Intrinsics;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>What the ways to compute a <see cref="BlockedProjection{TLoops}"/> share: the shape of its tree, its inputs' arrangement, its outputs' order.</summary>
internal abstract unsafe class ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    /// <summary>Elements of K in a segment.</summary>
    public const int Segment = 2048;

    /// <summary>Classes of sums in a segment.</summary>
    public const int Classes = 4;

    /// <summary>Weight rows of a register tile.</summary>
    public const int TileRows = 4;

    /// <summary>Bytes that scratch memory is aligned to: a cache line.</summary>
    public const int Alignment = 64;

    /// <summary>Bytes of the weights of a group.</summary>
    public static int GroupBytes => TLoops.Group * TLoops.ElementBytes;

    /// <summary>How many of the rows from <paramref name="row"/> on have the same scales.</summary>
    public static nint RowsOfOneScale(BlockScales scales, nint row, nint limit) =>
        scales.IsPresent ? nint.Min(limit, scales.BlockRows - ((scales.FirstRow + row) % scales.BlockRows)) : limit;

    /// <summary>⌈a ÷ b⌉.</summary>
    public static int Share(int a, int b) => (a + b - 1) / b;

    /// <summary>k rounded up to groups.</summary>
    public static nint Padded(nint k) => (k + TLoops.Group - 1) / TLoops.Group * TLoops.Group;

    /// <summary>Writes the sums of a tile: four for each input, of which <paramref name="rows"/> exist.</summary>
    public static void Store(float* sums, int inputs, int rows, float* output, nint outputStride)
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

    /// <summary>A last, partial group of weights, filled up with zeros.</summary>
    public static void CopyPadded(byte* source, nint bytes, byte* group)
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
    public static void PrepareInput(
        float* input, nint column, nint count, TensorView weights, nint row, float factor, float* arranged, nint stride, nint classStride, float* group)
    {
        for (nint k = 0; k < count; arranged += stride)
        {
            nint run = RunOfOneScale(weights.Scales, row, column + k, count - k, out float scale);
            nint groups = run / TLoops.Group;
            if (groups > 0)
            {
                if (input is null)
                {
                    Fill(scale * factor, arranged, stride, classStride, groups);
                }
                else
                {
                    TLoops.Arrange(input + k, scale * factor, arranged, stride, classStride, groups);
                }

                k += groups * TLoops.Group;
                arranged += (groups - 1) * stride;
                continue;
            }

            // A group in which scales change, or the last, partial one.
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

    /// <summary>
    /// A segment of an input, multiplied with its elements' scales, in the order of decoded weights: groups <paramref name="stride"/> elements apart, the four vectors of a group
    /// <paramref name="classStride"/>. The last group is filled up with zeros.
    /// </summary>
    public static void Pack(float* natural, nint count, float* scales, float* packed, nint stride, nint classStride, float* group)
    {
        nint groups = count / TLoops.Group;
        TLoops.Pack(natural, scales, packed, stride, classStride, groups);
        nint whole = groups * TLoops.Group;
        if (whole < count)
        {
            Span<float> padded = new(group, TLoops.Group);
            new ReadOnlySpan<float>(natural + whole, (int)(count - whole)).CopyTo(padded);
            padded[(int)(count - whole)..].Clear();
            TLoops.Pack(group, scales is null ? null : scales + whole, packed + (groups * stride), stride, classStride, 1);
        }
    }

    /// <summary>Whole groups of one number.</summary>
    private static void Fill(float value, float* arranged, nint stride, nint classStride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            for (int c = 0; c < Classes; c++)
            {
                new Span<float>(arranged + (g * stride) + (c * classStride), TLoops.Lanes).Fill(value);
            }
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
}
