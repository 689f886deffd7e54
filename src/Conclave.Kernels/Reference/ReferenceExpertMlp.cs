using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Gated MLPs of many experts, the scalar reference: each worker computes whole rows.</summary>
public sealed unsafe class ReferenceExpertMlp : ExpertMlp
{
    // Rows that share one pass over an expert's weights; more would only make the scratch memory larger.
    private const int RowsAtOnce = 16;

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team)
    {
        OperatorShapes.ExpertMlp(experts, rows, input, output);
        team.Run(new Work(experts, rows, input, output, team));
    }

    private readonly ref struct Work(
        ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team) : IWork
    {
        private readonly ReadOnlySpan<MlpWeights> _experts = experts;
        private readonly ExpertRows _rows = rows;

        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(_rows.Count, worker, workers);
            for (int expert = 0; expert < _experts.Length; expert++)
            {
                nint last = nint.Min(end, _rows.Offsets[expert + 1]);
                for (nint row = nint.Max(first, _rows.Offsets[expert]); row < last; row += RowsAtOnce)
                {
                    Compute(_experts[expert], row, (int)nint.Min(RowsAtOnce, last - row), worker);
                }
            }
        }

        private void Compute(MlpWeights weights, nint firstRow, int count, int worker)
        {
            nint hidden = input.Columns;
            nint inner = weights.Gate.Rows;
            nint projection = ReferenceProjection.ScratchBytes(nint.Max(hidden, inner), count);
            byte* scratch = team.Scratch(worker, projection + (count * (hidden + (2 * inner)) * sizeof(float)));
            float* x = (float*)(scratch + projection);
            float* gate = x + (count * hidden);
            float* up = gate + (count * inner);
            for (int i = 0; i < count; i++)
            {
                nint source = _rows.Sources.IsEmpty ? firstRow + i : _rows.Sources[(int)firstRow + i];
                input.RowF32(source).CopyTo(new Span<float>(x + (i * hidden), (int)hidden));
            }

            ReferenceProjection.Run(weights.Gate, 0, inner, x, hidden, count, gate, inner, scratch);
            ReferenceProjection.Run(weights.Up, 0, inner, x, hidden, count, up, inner, scratch);
            for (nint i = 0; i < count * inner; i++)
            {
                double z = gate[i];
                gate[i] = (float)(z / (1 + Transcendental.Exp(-z)) * up[i]);
            }

            ReferenceProjection.Run(weights.Down, 0, hidden, gate, inner, count, output.PointerF32(firstRow), output.RowStride, scratch);
        }
    }
}
