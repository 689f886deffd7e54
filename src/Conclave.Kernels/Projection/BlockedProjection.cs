using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// A linear projection cut into blocks that fit the caches. Every output is summed in one tree, whatever the blocks. K is cut into segments of
/// <see cref="ProjectionBlocks{TLoops}.Segment"/> elements, the last one filled up with zeros to whole groups of four vectors. In a segment, lane l of class j adds the products of
/// its elements of the vectors j of all groups, in rising order, by fused multiply-adds, from zero; the classes are added to the lanes of the output in the
/// order 0 … 3, segment after segment; then lanes are added in halves (l and l + L/2, …). Four classes, because a row that is multiplied with few inputs
/// has no other sums to compute while one waits for its last addition.
/// <para>Block scales multiply the activations: x'[k] = round(x[k] · s[k]) times a power of two, once for all weight rows of a block.</para>
/// </summary>
internal static unsafe class BlockedProjection<TLoops>
    where TLoops : struct, IProjectionLoops
{
    /// <summary>Up to how many inputs share one decoding of the weights.</summary>
    public const int InputsAtOnce = 256;

    /// <summary>Rises with k and with m: what many inputs need is enough for few.</summary>
    public static nint ScratchBytes(nint k, int m)
    {
        nint bytes = RegisterProjection<TLoops>.ScratchBytes(k, int.Min(m, TLoops.GemvInputs));
        if (m > TLoops.GemvInputs)
        {
            bytes = nint.Max(bytes, ClassProjection<TLoops>.ScratchBytes(k, int.Min(m, TLoops.MostClassInputs)));
            if (!ClassProjection<TLoops>.Takes(k, m))
            {
                bytes = nint.Max(bytes, PanelProjection<TLoops>.ScratchBytes(k, int.Min(m, InputsAtOnce)));
            }
        }

        bytes = nint.Max(bytes, ShortProjection<TLoops>.ScratchBytes(k, int.Min(m, InputsAtOnce)));
        return ProjectionBlocks<TLoops>.Alignment + bytes;
    }

    /// <summary>output[i · outputStride + j] = Σ_k input[i][k] · w[firstRow + j, k] for i &lt; m and j &lt; rowCount.</summary>
    public static void Run(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch)
    {
        float* aligned = (float*)(((nint)scratch + ProjectionBlocks<TLoops>.Alignment - 1) & -ProjectionBlocks<TLoops>.Alignment);
        for (int i = 0; i < m; i += InputsAtOnce)
        {
            int inputs = int.Min(InputsAtOnce, m - i);
            float* target = output + (i * outputStride);
            if (ShortProjection<TLoops>.Takes(weights.Columns, inputs))
            {
                ShortProjection<TLoops>.Run(weights, firstRow, rowCount, input.From(i), inputs, target, outputStride, aligned);
            }
            else if (inputs <= TLoops.GemvInputs)
            {
                RegisterProjection<TLoops>.Run(weights, firstRow, rowCount, input.From(i), inputs, target, outputStride, aligned);
            }
            else if (ClassProjection<TLoops>.Takes(weights.Columns, inputs))
            {
                ClassProjection<TLoops>.Run(weights, firstRow, rowCount, input.From(i), inputs, target, outputStride, aligned);
            }
            else
            {
                PanelProjection<TLoops>.Run(weights, firstRow, rowCount, input.From(i), inputs, target, outputStride, aligned);
            }
        }
    }
}
