using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The three matrices of a gated MLP: y = W_down · (silu(W_gate · x) ⊙ (W_up · x)).</summary>
/// <param name="Gate">[I, H].</param>
/// <param name="Up">[I, H].</param>
/// <param name="Down">[H, I].</param>
public readonly record struct MlpWeights(TensorView Gate, TensorView Up, TensorView Down);

/// <summary>
/// Which input row goes to which expert: rows sorted by expert. Expert e computes the outputs Offsets[e] … Offsets[e + 1]; output r reads the input
/// row Sources[r], or row r where there are no sources.
/// </summary>
public readonly ref struct ExpertRows
{
    /// <summary>Describes rows that were sorted by expert.</summary>
    public ExpertRows(ReadOnlySpan<int> offsets, ReadOnlySpan<int> sources)
    {
        Offsets = offsets;
        Sources = sources;
    }

    /// <summary>First output row of each expert, and the number of all rows behind the last: experts + 1 values that never fall.</summary>
    public ReadOnlySpan<int> Offsets { get; }

    /// <summary>Input row of each output row; empty where they are the same.</summary>
    public ReadOnlySpan<int> Sources { get; }

    /// <summary>Number of output rows.</summary>
    public int Count => Offsets[^1];
}

/// <summary>
/// Gated MLPs of many experts over rows sorted by expert, each expert's weights read once however many rows chose it; a dense MLP and the shared
/// expert are the case of one expert. silu(z) = z ÷ (1 + e^−z).
/// </summary>
public abstract class ExpertMlp
{
    /// <summary>Computes all output rows, neither weighted nor summed.</summary>
    /// <param name="experts">Weights by expert, all of one shape.</param>
    /// <param name="rows">The rows of each expert.</param>
    /// <param name="input">[T, H] F32.</param>
    /// <param name="output">[rows.Count, H] F32; must not overlap the input.</param>
    /// <param name="team">Who computes.</param>
    /// <exception cref="ArgumentException">The shapes or formats do not fit, the offsets fall or are not one more than the experts, or a source is no row of the input.</exception>
    public abstract void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team);
}
