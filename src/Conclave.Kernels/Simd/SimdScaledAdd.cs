using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Weighted accumulation, one fused multiply-add for each element.</summary>
internal sealed unsafe class SimdScaledAdd<TSimd, TVector> : ScaledAdd
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public override void Run(TensorView x, float scale, TensorView y, WorkerTeam team)
    {
        OperatorShapes.ScaledAdd(x, y);
        Work work = new(this, x, scale, y);
        if (x.Rows == 1)
        {
            work.Run(0, 1);
            return;
        }

        team.Run(work);
    }

    /// <inheritdoc/>
    public override void Row(float* x, float scale, float* y, nint count)
    {
        TVector factor = TSimd.Broadcast(scale);
        nint k = 0;
        for (; k + TSimd.Lanes <= count; k += TSimd.Lanes)
        {
            TSimd.Store(y + k, TSimd.Fma(factor, TSimd.Load(x + k), TSimd.Load(y + k)));
        }

        for (; k < count; k++)
        {
            y[k] = MathF.FusedMultiplyAdd(scale, x[k], y[k]);
        }
    }

    private readonly struct Work(SimdScaledAdd<TSimd, TVector> operation, TensorView x, float scale, TensorView y) : IWork
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
