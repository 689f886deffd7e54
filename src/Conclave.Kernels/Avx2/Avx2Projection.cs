using System.Runtime.Intrinsics;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Linear projections with AVX2 and FMA: eight lanes.</summary>
internal readonly unsafe struct Avx2Projection : IProjection
{
    /// <inheritdoc/>
    public static int InputsAtOnce => BlockedProjection<Avx2Loops<Avx2E4M3>>.InputsAtOnce;

    /// <summary>Bytes of scratch memory that <c>Run</c> needs for weight rows of <paramref name="k"/> elements and <paramref name="m"/> inputs.</summary>
    public static nint ScratchBytes(nint k, int m)
    {
        // Formats differ in the inputs from which they are decoded into panels, and in how large these are.
        nint narrow = nint.Max(BlockedProjection<Avx2Loops<Avx2E4M3>>.ScratchBytes(k, m), BlockedProjection<Avx2Loops<Avx2F16>>.ScratchBytes(k, m));
        return nint.Max(narrow, nint.Max(BlockedProjection<Avx2Loops<Avx2BF16>>.ScratchBytes(k, m), BlockedProjection<Avx2Loops<Avx2F32>>.ScratchBytes(k, m)));
    }

    /// <summary>
    /// output[i · outputStride + j] = Σ_k input[i · inputStride + k] · w[firstRow + j, k] for i &lt; m and j &lt; rowCount, on the calling thread. Strides are in
    /// elements.
    /// </summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, float* input, nint inputStride, int m, float* output, nint outputStride, byte* scratch) =>
        Run(weights, firstRow, rowCount, new InputRows((nint)input, inputStride), m, output, outputStride, scratch);

    /// <inheritdoc/>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch)
    {
        switch (weights.Format)
        {
            case ElementFormat.F32:
                BlockedProjection<Avx2Loops<Avx2F32>>.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);
                break;
            case ElementFormat.F16:
                BlockedProjection<Avx2Loops<Avx2F16>>.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);
                break;
            case ElementFormat.BF16:
                BlockedProjection<Avx2Loops<Avx2BF16>>.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);
                break;
            case ElementFormat.F8_E4M3 when Subnormals.AreFast:
                BlockedProjection<Avx2Loops<Avx2E4M3Subnormal>>.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);
                break;
            case ElementFormat.F8_E4M3:
                BlockedProjection<Avx2Loops<Avx2E4M3>>.Run(weights, firstRow, rowCount, input, m, output, outputStride, scratch);
                break;
            default:
                throw new ArgumentException($"{weights.Format} is no weight format");
        }
    }

    /// <inheritdoc/>
    public static void Gate(float* gate, float* up, nint count)
    {
        nint i = 0;
        for (; i + Vector256<float>.Count <= count; i += Vector256<float>.Count)
        {
            Vector256<float> z = Vector256.Load(gate + i);
            Vector256<float> e = SimdExp<Avx2Simd, Vector256<float>>.Exp(-z);
            (z / (Vector256<float>.One + e) * Vector256.Load(up + i)).Store(gate + i);
        }

        for (; i < count; i++)
        {
            gate[i] = gate[i] / (1f + Transcendental.Exp(-gate[i])) * up[i];
        }
    }
}
