using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>y[m, k] = x[m, k] · g[k] ÷ √(mean_k x[m, k]² + ε), row by row (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization").</summary>
public abstract class RmsNorm
{
    /// <summary>Normalizes every row.</summary>
    /// <param name="input">[M, K] F32.</param>
    /// <param name="gain">[1, K] F32.</param>
    /// <param name="epsilon">ε, added to the mean square.</param>
    /// <param name="output">[M, K] F32; may be the input itself.</param>
    /// <param name="team">Who computes.</param>
    /// <exception cref="ArgumentException">The shapes or formats do not fit.</exception>
    public abstract void Run(TensorView input, TensorView gain, float epsilon, TensorView output, WorkerTeam team);
}
