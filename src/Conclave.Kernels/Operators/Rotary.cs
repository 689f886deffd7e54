using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Rotary position embedding (Su et al. 2021, "RoFormer"): pair i of each head's rotary part is turned by the angle of its position,
/// (a, b) → (a·cos − b·sin, a·sin + b·cos). Interleaved pairs are (x[2i], x[2i + 1]), as in the DeepSeek releases; otherwise (x[i], x[i + d/2]).
/// </summary>
public abstract class Rotary
{
    /// <summary>Turns the rotary part of every head of every row in place.</summary>
    /// <param name="vectors">[M, …] F32; head h has its rotary part at columns h·headStride + offset … + d, with d = 2 · cos.Columns.</param>
    /// <param name="heads">Heads of a row.</param>
    /// <param name="headStride">Columns from one head to the next.</param>
    /// <param name="offset">Columns of a head before its rotary part.</param>
    /// <param name="cos">[M, d/2] F32.</param>
    /// <param name="sin">[M, d/2] F32.</param>
    /// <param name="interleaved">Which elements form pairs.</param>
    /// <param name="team">Who computes.</param>
    /// <exception cref="ArgumentException">The shapes or formats do not fit, or the heads' rotary parts lie beyond the columns.</exception>
    public abstract void Run(
        TensorView vectors, int heads, int headStride, int offset, TensorView cos, TensorView sin, bool interleaved, WorkerTeam team);
}
