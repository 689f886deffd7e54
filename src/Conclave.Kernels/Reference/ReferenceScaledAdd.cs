using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Weighted accumulation, the scalar reference.</summary>
public sealed unsafe class ReferenceScaledAdd : ScaledAdd
{
    /// <inheritdoc/>
    public override void Run(TensorView x, float scale, TensorView y, WorkerTeam team)
    {
        OperatorShapes.ScaledAdd(x, y);
        team.Run(new Work(this, x, scale, y));
    }

    /// <inheritdoc/>
    public override void Row(float* x, float scale, float* y, nint count)
    {
        for (nint k = 0; k < count; k++)
        {
            y[k] = MathF.FusedMultiplyAdd(scale, x[k], y[k]);
        }
    }

    private readonly struct Work(ReferenceScaledAdd operation, TensorView x, float scale, TensorView y) : IWork
    {
        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(x.Rows, worker, workers);
            for (nint row = first; row < end; row++)
            {
                operation.Row(x.PointerF32(row), scale, y.PointerF32(row), x.Columns);
            }
        }
    }
}
