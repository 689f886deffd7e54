using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Single-threaded linear projection on one instruction set.</summary>
internal unsafe interface IProjection
{
    /// <summary>Inputs beyond this many read the weights once more.</summary>
    static abstract int InputsAtOnce { get; }

    /// <summary>Bytes of scratch memory that <see cref="Run"/> needs for weight rows of <paramref name="k"/> elements and <paramref name="m"/> inputs.</summary>
    static abstract nint ScratchBytes(nint k, int m);

    /// <summary>output[i · outputStride + j] = Σ_k input[i, k] · w[firstRow + j, k] for i &lt; m and j &lt; rowCount.</summary>
    static abstract void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch);

    /// <summary>gate[i] ← silu(gate[i]) · up[i].</summary>
    static abstract void Gate(float* gate, float* up, nint count);
}
