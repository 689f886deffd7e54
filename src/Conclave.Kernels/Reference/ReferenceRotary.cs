using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Rotary position embedding, the scalar reference.</summary>
public sealed unsafe class ReferenceRotary : Rotary
{
    /// <inheritdoc/>
    public override void Run(
        TensorView vectors, int heads, int headStride, int offset, TensorView cos, TensorView sin, bool interleaved, WorkerTeam team)
    {
        OperatorShapes.Rotary(vectors, heads, headStride, offset, cos, sin);
        team.Run(new Work(vectors, heads, headStride, offset, cos, sin, interleaved));
    }

    private readonly struct Work(
        TensorView vectors, int heads, int headStride, int offset, TensorView cos, TensorView sin, bool interleaved) : IWork
    {
        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(vectors.Rows, worker, workers);
            int pairs = (int)cos.Columns;
            int step = interleaved ? 2 : 1;
            int distance = interleaved ? 1 : pairs;
            for (nint row = first; row < end; row++)
            {
                float* c = cos.PointerF32(row);
                float* s = sin.PointerF32(row);
                for (int head = 0; head < heads; head++)
                {
                    float* x = vectors.PointerF32(row) + ((nint)head * headStride) + offset;
                    for (int i = 0; i < pairs; i++)
                    {
                        double a = x[i * step];
                        double b = x[(i * step) + distance];
                        x[i * step] = (float)((a * c[i]) - (b * s[i]));
                        x[(i * step) + distance] = (float)((a * s[i]) + (b * c[i]));
                    }
                }
            }
        }
    }
}
