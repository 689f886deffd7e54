using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Root mean square normalization, the scalar reference.</summary>
public sealed unsafe class ReferenceRmsNorm : RmsNorm
{
    /// <inheritdoc/>
    public override void Run(TensorView input, TensorView gain, float epsilon, TensorView output, WorkerTeam team)
    {
        OperatorShapes.RmsNorm(input, gain, output);
        team.Run(new Work(input, gain, epsilon, output));
    }

    private readonly struct Work(TensorView input, TensorView gain, float epsilon, TensorView output) : IWork
    {
        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(input.Rows, worker, workers);
            for (nint row = first; row < end; row++)
            {
                ReadOnlySpan<float> x = input.RowF32(row);
                ReadOnlySpan<float> g = gain.RowF32(0);
                Span<float> y = output.RowF32(row);
                double squares = 0;
                foreach (float value in x)
                {
                    squares += (double)value * value;
                }

                double factor = 1 / Math.Sqrt((squares / x.Length) + epsilon);
                for (int k = 0; k < x.Length; k++)
                {
                    y[k] = (float)(x[k] * factor * g[k]);
                }
            }
        }
    }
}
