using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Linear projection y[m, n] = Σ_k x[m, k] · w[n, k], with weights as the checkpoint stores them (F32, F16, BF16, or FP8 E4M3 with block
/// scales) and binary32 activations. The sum over k is one tree that depends on the instruction set, K and the weight's format only: never on the
/// number of rows, on the rows beside it, or on how outputs are divided over threads.
/// </summary>
public abstract class MatMul
{
    /// <summary>Computes all outputs.</summary>
    /// <param name="weights">[N, K] in a weight format.</param>
    /// <param name="input">[M, K] F32.</param>
    /// <param name="output">[M, N] F32; must not overlap the input.</param>
    /// <param name="team">Who computes.</param>
    /// <exception cref="ArgumentException">The shapes or formats do not fit.</exception>
    public abstract void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team);
}
