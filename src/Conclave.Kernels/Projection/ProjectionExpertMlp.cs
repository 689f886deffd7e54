using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Gated MLPs in two passes over the weights: silu(W_gate · x) ⊙ (W_up · x) of all experts, then W_down of all. Each pass divides the weight rows of
/// all experts over the workers at once, so that one expert with one row occupies everybody and many small ones balance.
/// </summary>
internal static unsafe class ProjectionExpertMlp<TProjection>
    where TProjection : struct, IProjection
{
    private const nint Alignment = 64;

    // Reading a weight row takes about as long as multiplying it with this many inputs.
    private const nint ReadingCost = 8;

    public static void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team)
    {
        OperatorShapes.ExpertMlp(experts, rows, input, output);
        if (rows.Count == 0)
        {
            return;
        }

        nint inner = experts[0].Gate.Rows;
        int most = 0;
        int chosen = 0;
        for (int expert = 0; expert < experts.Length; expert++)
        {
            OneShape(experts[expert], inner, expert);
            int inputs = rows.Offsets[expert + 1] - rows.Offsets[expert];
            most = int.Max(most, inputs);
            chosen += inputs > 0 ? 1 : 0;
        }

        nint matrixBytes = chosen * experts[0].Gate.ByteLength;
        nint average = rows.Count / chosen;

        // The activations between the passes lie before the first worker's own scratch memory.
        nint longest = nint.Max(input.Columns, inner);
        nint projection = TProjection.ScratchBytes(longest, most);
        nint own = checked(projection + (int.Min(most, TProjection.InputsAtOnce) * inner * sizeof(float)));
        nint shared = (checked(rows.Count * inner * sizeof(float)) + Alignment - 1) & -Alignment;
        byte* memory = team.Scratch(0, checked(shared + own));
        int next = -1;
        fixed (int* sources = rows.Sources)
        {
            InputRows inputs = new(input.Rows == 0 ? 0 : (nint)input.PointerF32(0), input.RowStride, (nint)sources);
            team.Run(new InnerPass(experts, rows.Offsets, inputs, (float*)memory, memory + shared, own, projection, team, new WorkParts(2 * matrixBytes, average, team.Count), &next));
        }

        next = -1;
        team.Run(new OutputPass(
            experts, rows.Offsets, (float*)memory, output, memory + shared, own, team, new WorkParts(matrixBytes, average, team.Count), &next));
    }

    private static void OneShape(in MlpWeights expert, nint inner, int index)
    {
        if (expert.Gate.Rows != inner)
        {
            throw new ArgumentException($"expert {index} is {expert.Gate.Rows} wide inside, expert 0 {inner}; all have one shape");
        }
    }

    /// <summary>One part of the weight rows of all experts, laid end to end and weighed by what they cost.</summary>
    private readonly ref struct Part
    {
        private readonly nint _first;
        private readonly nint _end;
        private readonly nint _rows;
        private readonly ReadOnlySpan<int> _offsets;

        public Part(ReadOnlySpan<int> offsets, nint rows, in WorkParts parts, int part)
        {
            _offsets = offsets;
            _rows = rows;
            nint total = 0;
            for (int expert = 0; expert < offsets.Length - 1; expert++)
            {
                total += Cost(expert) * rows;
            }

            (_first, _end) = parts.Of(total, part);
        }

        /// <summary>The rows of one expert in this part; <paramref name="start"/> is what the experts before it cost, and is moved on.</summary>
        public (nint First, nint End) Of(int expert, ref nint start)
        {
            nint cost = Cost(expert);
            nint before = start;
            start += cost * _rows;
            int together = WorkParts.Together(_rows, cost - ReadingCost);
            return cost == 0 ? (0, 0) : (Bound(_first - before, cost, together), Bound(_end - before, cost, together));
        }

        private nint Bound(nint position, nint cost, int together) =>
            position <= 0 ? 0
            : position >= cost * _rows ? _rows
            : position / cost / together * together;

        private nint Cost(int expert)
        {
            int inputs = _offsets[expert + 1] - _offsets[expert];
            return inputs == 0 ? 0 : inputs + ReadingCost;
        }
    }

    private readonly ref struct InnerPass(
        ReadOnlySpan<MlpWeights> experts, ReadOnlySpan<int> offsets, InputRows inputs, float* activations, byte* first, nint own, nint projection, WorkerTeam team,
        WorkParts parts, int* next) : IWork
    {
        private readonly ReadOnlySpan<MlpWeights> _experts = experts;
        private readonly ReadOnlySpan<int> _offsets = offsets;

        public void Run(int worker, int workers)
        {
            nint inner = _experts[0].Gate.Rows;
            byte* scratch = worker == 0 ? first : team.Scratch(worker, own);
            float* up = (float*)(scratch + projection);
            for (int part = Interlocked.Increment(ref *next); part < parts.Count; part = Interlocked.Increment(ref *next))
            {
                Run(new Part(_offsets, inner, parts, part), inner, scratch, up);
            }
        }

        private void Run(Part part, nint inner, byte* scratch, float* up)
        {
            nint start = 0;
            for (int expert = 0; expert < _experts.Length; expert++)
            {
                (nint row, nint end) = part.Of(expert, ref start);
                nint rows = end - row;
                int last = rows > 0 ? _offsets[expert + 1] : 0;
                for (int r = _offsets[expert]; r < last; r += TProjection.InputsAtOnce)
                {
                    int m = int.Min(last - r, TProjection.InputsAtOnce);
                    float* gate = activations + (r * inner) + row;
                    TProjection.Run(_experts[expert].Gate, row, rows, inputs.From(r), m, gate, inner, scratch);
                    TProjection.Run(_experts[expert].Up, row, rows, inputs.From(r), m, up, rows, scratch);
                    for (int i = 0; i < m; i++)
                    {
                        TProjection.Gate(gate + (i * inner), up + (i * rows), rows);
                    }
                }
            }
        }
    }

    private readonly ref struct OutputPass(
        ReadOnlySpan<MlpWeights> experts, ReadOnlySpan<int> offsets, float* activations, TensorView output, byte* first, nint own, WorkerTeam team,
        WorkParts parts, int* next) : IWork
    {
        private readonly ReadOnlySpan<MlpWeights> _experts = experts;
        private readonly ReadOnlySpan<int> _offsets = offsets;

        public void Run(int worker, int workers)
        {
            nint inner = _experts[0].Gate.Rows;
            byte* scratch = worker == 0 ? first : team.Scratch(worker, own);
            for (int part = Interlocked.Increment(ref *next); part < parts.Count; part = Interlocked.Increment(ref *next))
            {
                Run(new Part(_offsets, output.Columns, parts, part), inner, scratch);
            }
        }

        private void Run(Part part, nint inner, byte* scratch)
        {
            nint start = 0;
            for (int expert = 0; expert < _experts.Length; expert++)
            {
                (nint row, nint end) = part.Of(expert, ref start);
                if (row < end)
                {
                    int offset = _offsets[expert];
                    int m = _offsets[expert + 1] - offset;
                    InputRows hidden = new((nint)(activations + (offset * inner)), inner);
                    TProjection.Run(_experts[expert].Down, row, end - row, hidden, m, output.PointerF32(offset) + row, output.RowStride, scratch);
                }
            }
        }
    }
}
