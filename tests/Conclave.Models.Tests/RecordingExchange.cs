using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models.Tests;

/// <summary>Writes down the order in which an exchange is used: the first letter of the half and the number of the slot; a dot for progress.</summary>
internal sealed class RecordingExchange(IExpertExchange inner) : IExpertExchange
{
    private readonly List<ExchangeSlot> _slots = [];
    private readonly char[] _record = new char[1 << 12];
    private int _length;

    /// <summary>What was recorded.</summary>
    public string Record => new(_record.AsSpan(0, _length));

    /// <summary>All experts, with steps in two micro-batches.</summary>
    public static ExpertPartition Divided(ModelConfig config, KernelSet kernels, WorkerTeam team)
    {
        int[] all = [.. Enumerable.Range(0, config.RoutedExperts)];
        return new ExpertPartition(new RecordingExchange(new LocalExchange(all.Length, config.ExpertsPerToken, kernels, team)), _ => all, null, 2);
    }

    public ExchangeSlot CreateSlot(int maxTokens)
    {
        _slots.Add(inner.CreateSlot(maxTokens));
        return _slots[^1];
    }

    public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing)
    {
        Note('d', slot);
        inner.BeginDispatch(slot, layer, hidden, routing);
    }

    public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input)
    {
        Note('D', slot);
        return inner.FinishDispatch(slot, out input);
    }

    public void BeginCombine(ExchangeSlot slot, TensorView outputs)
    {
        Note('c', slot);
        inner.BeginCombine(slot, outputs);
    }

    public void FinishCombine(ExchangeSlot slot, TensorView destination)
    {
        Note('C', slot);
        inner.FinishCombine(slot, destination);
    }

    public void Progress() => Note('.', null);

    /// <summary>What is beyond the record's length is dropped.</summary>
    private void Note(char half, ExchangeSlot? slot)
    {
        if (_length < _record.Length - 1)
        {
            _record[_length++] = half;
            if (slot is not null)
            {
                _record[_length++] = (char)('0' + _slots.IndexOf(slot));
            }
        }
    }
}
