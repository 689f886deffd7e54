using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Divides the weight rows of a projection over the workers.</summary>
internal static unsafe class ProjectionMatMul<TProjection>
    where TProjection : struct, IProjection
{
    public static void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team)
    {
        OperatorShapes.MatMul(weights, input, output);
        if (input.Rows > 0 && weights.Rows > 0)
        {
            int next = -1;
            team.Run(new Work(weights, input, output, team, new WorkParts(weights.ByteLength, input.Rows, team.Count), &next));
        }
    }

    /// <summary>A part of the weight rows, for all inputs, on the calling thread.</summary>
    public static void RunPart(
        TensorView weights, in WorkParts parts, int part, InputRows input, int m, float* output, nint outputStride, byte* scratch)
    {
        int together = WorkParts.Together(weights.Rows, m);
        (nint first, nint end) = parts.Of((weights.Rows + together - 1) / together, part);
        first *= together;
        end = nint.Min(end * together, weights.Rows);
        if (first < end)
        {
            TProjection.Run(weights, first, end - first, input, m, output + first, outputStride, scratch);
        }
    }

    private readonly struct Work(TensorView weights, TensorView input, TensorView output, WorkerTeam team, WorkParts parts, int* next) : IWork
    {
        public void Run(int worker, int workers)
        {
            int m = checked((int)input.Rows);
            byte* scratch = team.Scratch(worker, TProjection.ScratchBytes(weights.Columns, m));
            InputRows rows = new((nint)input.PointerF32(0), input.RowStride);
            for (int part = Interlocked.Increment(ref *next); part < parts.Count; part = Interlocked.Increment(ref *next))
            {
                RunPart(weights, parts, part, rows, m, output.PointerF32(0), output.RowStride, scratch);
            }
        }
    }
}
