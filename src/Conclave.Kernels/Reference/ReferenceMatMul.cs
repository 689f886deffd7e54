using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Linear projection, the scalar reference.</summary>
public sealed unsafe class ReferenceMatMul : MatMul
{
    /// <inheritdoc/>
    public override void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team)
    {
        OperatorShapes.MatMul(weights, input, output);
        if (input.Rows > 0)
        {
            team.Run(new Work(weights, input, output, team));
        }
    }

    private readonly struct Work(TensorView weights, TensorView input, TensorView output, WorkerTeam team) : IWork
    {
        public void Run(int worker, int workers)
        {
            int rows = checked((int)input.Rows);
            (nint first, nint end) = WorkRange.Of(weights.Rows, worker, workers);
            byte* scratch = team.Scratch(worker, ReferenceProjection.ScratchBytes(weights.Columns, rows));
            ReferenceProjection.Run(
                weights, first, end - first, input.PointerF32(0), input.RowStride, rows, output.PointerF32(0) + first, output.RowStride, scratch);
        }
    }
}
