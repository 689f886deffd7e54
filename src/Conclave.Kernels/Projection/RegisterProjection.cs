using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Few inputs: weights are decoded in registers, once for all of them.</summary>
internal abstract unsafe class RegisterProjection<TLoops> : ProjectionBlocks<TLoops>
    where TLoops : struct, IProjectionLoops
{
    /// <summary>Rises with k and with the number of inputs.</summary>
    public static nint ScratchBytes(nint k, int inputs) => Layout.Bytes(k, inputs);

    /// <summary>See <see cref="BlockedProjection{TLoops}.Run"/>.</summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        for (nint row = 0; row < rowCount;)
        {
            nint rows = RowsOfOneScale(weights.Scales, firstRow + row, rowCount - row);
            RunRows(weights, firstRow + row, rows, input, inputs, output + row, outputStride, scratch);
            row += rows;
        }
    }

    /// <summary>Rows that have the same scales, which are part of the arranged inputs.</summary>
    private static void RunRows(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint padded = Padded(k);
        float* arranged = scratch + Layout.Arranged;
        for (int i = 0; i < inputs; i++)
        {
            PrepareInput(
                input.Row(i), 0, k, weights, firstRow, TLoops.InputFactor, arranged + (i * padded), TLoops.Group, TLoops.Lanes, scratch + Layout.Group);
        }

        Gemv(weights, firstRow, rowCount, arranged, inputs, output, outputStride, scratch);
    }

    private static void Gemv(
        TensorView weights, nint firstRow, nint rowCount, float* arranged, int inputs, float* output, nint outputStride, float* scratch)
    {
        nint k = weights.Columns;
        nint rowBytes = weights.RowStride * TLoops.ElementBytes;
        nint groups = k / TLoops.Group;
        nint tailBytes = (k % TLoops.Group) * TLoops.ElementBytes;
        float* sums = scratch + Layout.Sums;
        float* lanes = scratch + Layout.Partials;
        byte* tails = tailBytes > 0 ? (byte*)(scratch + Layout.Tails) : null;
        for (nint row = 0; row < rowCount; row += TileRows)
        {
            int rows = (int)nint.Min(TileRows, rowCount - row);
            byte* source = weights.RowPointer(firstRow + row);
            for (int r = 0; tails is not null && r < rows; r++)
            {
                CopyPadded(source + (r * rowBytes) + (groups * GroupBytes), tailBytes, tails + (r * GroupBytes));
            }

            TLoops.Gemv(inputs, source, rowBytes, rows, arranged, Padded(k), groups, Segment / TLoops.Group, tails, lanes, sums);
            Store(sums, inputs, rows, output + row, outputStride);
        }
    }

    /// <summary>Where in the scratch memory few inputs keep what; in floats.</summary>
    private static class Layout
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
}
