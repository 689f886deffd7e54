using Conclave.Parallel.TensorParallel;
using Conclave.Primitives;

namespace Conclave.Parallel.Tests.TensorParallel;

/// <summary>A matrix that the ranks of a group compute together, by columns or by rows, any of which may be nobody's or one rank's alone.</summary>
/// <param name="ByRows">Whether ranks have rows; otherwise columns.</param>
/// <param name="Other">The dimension that is not divided.</param>
/// <param name="Starts">Where each rank's part begins, and the divided dimension.</param>
internal sealed record GatherCase(bool ByRows, int Other, int[] Starts)
{
    // Columns of a wider matrix, whose others must stay as they are.
    private const int Margin = 3;
    private const float Untouched = -1;

    /// <summary>A case for so many ranks.</summary>
    public static GatherCase Random(Random random, int ranks)
    {
        int[] starts = [0, .. Enumerable.Range(0, ranks).Select(_ => random.Next(3) == 0 ? 0 : random.Next(12))];
        for (int rank = 0; rank < ranks; rank++)
        {
            starts[rank + 1] += starts[rank];
        }

        return new GatherCase(random.Next(2) == 0, random.Next(12), starts);
    }

    /// <summary>Gathers, and checks every element of the matrix and beside it.</summary>
    /// <param name="gather">The rank's end.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="call">Makes the elements of different calls differ.</param>
    /// <param name="expectElements">Whether the elements must be those that were sent.</param>
    public unsafe void Run(RankGather gather, int rank, int call, bool expectElements = true)
    {
        int divided = Starts[^1];
        (int rows, int columns) = ByRows ? (divided, Other) : (Other, divided);
        int stride = columns + Margin;
        float[] memory = new float[Math.Max(1, rows * stride)];
        memory.AsSpan().Fill(Untouched);
        fixed (float* data = memory)
        {
            TensorView matrix = new(data, ElementFormat.F32, rows, columns, stride);
            TensorView[] parts = [.. Enumerable.Range(0, Starts.Length - 1).Select(part =>
                ByRows ? matrix.SliceRows(Starts[part], Starts[part + 1] - Starts[part]) : matrix.SliceColumns(Starts[part], Starts[part + 1] - Starts[part]))];
            for (int i = 0; i < rows * columns; i++)
            {
                (int row, int column) = (i / columns, i % columns);
                int at = ByRows ? row : column;
                if (at >= Starts[rank] && at < Starts[rank + 1])
                {
                    matrix.RowF32(row)[column] = Element(call, row, column);
                }
            }

            gather.Gather(parts);
            for (int i = 0; i < rows * stride; i++)
            {
                (int row, int column) = (i / stride, i % stride);
                if (expectElements || column >= columns)
                {
                    Assert.Equal(column < columns ? Element(call, row, column) : Untouched, memory[i]);
                }
            }
        }
    }

    private static float Element(int call, int row, int column) => (((call * 100) + row) * 100) + column;
}
