using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The inner routine of the reference's linear projections.</summary>
internal static unsafe class ReferenceProjection
{
    /// <summary>Bytes that <see cref="Run"/> needs for itself, for weight rows of <paramref name="k"/> elements and <paramref name="m"/> inputs.</summary>
    public static nint ScratchBytes(nint k, int m)
    {
        _ = m;
        return k * sizeof(double);
    }

    /// <summary>
    /// output[i · outputStride + j] = Σ_k input[i · inputStride + k] · w[firstRow + j, k] for i &lt; m and j &lt; rowCount: exact products summed in binary64 in the
    /// order of k, rounded once. Strides are in elements.
    /// </summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, float* input, nint inputStride, int m, float* output, nint outputStride, byte* scratch)
    {
        double* row = (double*)scratch;
        for (nint j = 0; j < rowCount; j++)
        {
            ReferenceWeights.Decode(weights, firstRow + j, row);
            for (int i = 0; i < m; i++)
            {
                float* x = input + (i * inputStride);
                double sum = 0;
                for (nint k = 0; k < weights.Columns; k++)
                {
                    sum += x[k] * row[k];
                }

                output[(i * outputStride) + j] = (float)sum;
            }
        }
    }
}
