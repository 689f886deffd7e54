using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>The exchange of a single rank: all experts are here, so tokens are sorted by expert and never copied.</summary>
public sealed class LocalExchange : IExpertExchange
{
    private readonly int _experts;
    private readonly int _expertsPerToken;
    private readonly KernelSet _kernels;
    private readonly WorkerTeam _team;

    /// <summary>Creates the exchange.</summary>
    public LocalExchange(int experts, int expertsPerToken, KernelSet kernels, WorkerTeam team)
    {
        _experts = experts;
        _expertsPerToken = expertsPerToken;
        _kernels = kernels;
        _team = team;
    }

    /// <inheritdoc/>
    public ExchangeSlot CreateSlot(int maxTokens) => new Slot(_experts, checked(maxTokens * _expertsPerToken));

    /// <inheritdoc/>
    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        Slot local = (Slot)slot;
        local.Hidden = hidden;
        local.Routing = routing;
        Span<int> offsets = local.Offsets;
        offsets.Clear();
        for (int token = 0; token < routing.Tokens; token++)
        {
            foreach (int expert in routing.Experts(token))
            {
                if (expert >= 0)
                {
                    offsets[expert + 1]++;
                }
            }
        }

        for (int expert = 0; expert < _experts; expert++)
        {
            offsets[expert + 1] += offsets[expert];
        }

        // Filling moves each offset to its expert's end, which is the next expert's beginning.
        for (int token = 0; token < routing.Tokens; token++)
        {
            Span<int> chosen = routing.Experts(token);
            for (int k = 0; k < chosen.Length; k++)
            {
                int row = chosen[k] < 0 ? -1 : offsets[chosen[k]]++;
                local.RowOf[(token * _expertsPerToken) + k] = row;
                if (row >= 0)
                {
                    local.Sources[row] = token;
                }
            }
        }

        offsets[.._experts].CopyTo(offsets[1..]);
        offsets[0] = 0;
    }

    /// <inheritdoc/>
    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        Slot local = (Slot)slot;
        input = local.Hidden;
        return new ExpertRows(local.Offsets, local.Sources.AsSpan(0, local.Offsets[^1]));
    }

    /// <inheritdoc/>
    public void BeginCombine(ExchangeSlot slot, TensorView outputs) => ((Slot)slot).Outputs = outputs;

    /// <inheritdoc/>
    public void FinishCombine(ExchangeSlot slot, TensorView destination) =>
        _team.Run(new CombineWork((Slot)slot, destination, _kernels.ScaledAdd, _expertsPerToken));

    /// <inheritdoc/>
    public void Progress()
    {
    }

    private sealed class Slot(int experts, int maxRows) : ExchangeSlot
    {
        public override int MaxRows => maxRows;

        public TensorView Hidden { get; set; }

        public TensorView Outputs { get; set; }

        public Routing Routing { get; set; }

        public int[] Offsets { get; } = new int[experts + 1];

        public int[] Sources { get; } = new int[maxRows];

        public int[] RowOf { get; } = new int[maxRows];

        protected override void Dispose(bool disposing)
        {
        }
    }

    private readonly unsafe struct CombineWork(Slot slot, TensorView destination, ScaledAdd add, int expertsPerToken) : IWork
    {
        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(slot.Routing.Tokens, worker, workers);
            for (int token = (int)first; token < end; token++)
            {
                destination.RowF32(token).Clear();
                ReadOnlySpan<int> rows = slot.RowOf.AsSpan(token * expertsPerToken, expertsPerToken);
                ReadOnlySpan<float> weights = slot.Routing.Weights(token);

                // Rows rise with experts, so taking the lowest row next is expert order.
                int previous = -1;
                for (int done = 0; done < expertsPerToken; done++)
                {
                    int next = -1;
                    for (int k = 0; k < rows.Length; k++)
                    {
                        if (rows[k] > previous && (next < 0 || rows[k] < rows[next]))
                        {
                            next = k;
                        }
                    }

                    if (next < 0)
                    {
                        break;
                    }

                    previous = rows[next];
                    add.Row(slot.Outputs.PointerF32(previous), weights[next], destination.PointerF32(token), destination.Columns);
                }
            }
        }
    }
}
