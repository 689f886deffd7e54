using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>y[m, k] ← fma(s, x[m, k], y[m, k]).</summary>
public abstract class ScaledAdd
{
    /// <summary>Adds all rows of x, times s, to those of y.</summary>
    /// <exception cref="ArgumentException">The shapes or formats do not fit.</exception>
    public abstract void Run(TensorView x, float scale, TensorView y, WorkerTeam team);

    /// <summary>Adds one row of <paramref name="count"/> elements on the calling thread.</summary>
    public abstract unsafe void Row(float* x, float scale, float* y, nint count);
}
