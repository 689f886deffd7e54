using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// The tokens that arrived for this rank's experts in one exchange. Rows are decoded where they arrive; sorting by expert, source rank and token makes what is
/// computed independent of when that was.
/// </summary>
internal sealed unsafe class ReceivedTokens : IDisposable
{
    private readonly ExchangeShape _shape;
    private readonly int _maxTokens;
    private readonly int _maxSlotsOfSource;
    private readonly NativeBuffer _inputBuffer;
    private readonly TensorView _input;
    private readonly int[] _token;
    private readonly int[] _lastExpert;
    private readonly int[] _slotStart;
    private readonly int[] _slots;
    private readonly float[] _weights;
    private readonly int[] _outputRow;
    private readonly int[] _sources;
    private readonly int[] _offsets;
    private readonly int[] _slotsOfSource;
    private readonly PeerLists _ofSource;
    private readonly PeerLists _ofReceiver;
    private SlotMap? _map;
    private int _count;

    public ReceivedTokens(ExchangeShape shape, int maxTokens)
    {
        _shape = shape;
        _maxTokens = maxTokens;
        int world = shape.Hosts.World;
        int localSlots = shape.MaxLocalSlots;
        _maxSlotsOfSource = checked(maxTokens * Math.Min(shape.ExpertsPerToken, localSlots));
        int sources = shape.MayHaveTokens.Count(may => may);
        MaxOutputs = checked(sources * _maxSlotsOfSource);
        int rows = shape.Forwards ? Math.Min(MaxOutputs, checked(sources * maxTokens)) : MaxOutputs;
        _inputBuffer = NativeBuffer.ForF32(rows, shape.Columns, out _input);
        _token = new int[rows];
        _lastExpert = new int[rows];
        _slotStart = new int[rows + 1];
        _slots = new int[MaxOutputs];
        _weights = new float[shape.Reduces ? MaxOutputs : 0];
        _outputRow = new int[MaxOutputs];
        _sources = new int[MaxOutputs];
        _offsets = new int[localSlots + 1];
        _slotsOfSource = new int[world];
        _ofSource = new PeerLists(world, rows);
        _ofReceiver = new PeerLists(world, rows);
        Reset();
    }

    /// <summary>Most rows that the experts may have to compute.</summary>
    public int MaxOutputs { get; }

    /// <summary>Rows by the rank that their outputs go to: the token's, or its forwarder where outputs are reduced.</summary>
    public PeerLists OfReceiver => _ofReceiver;

    /// <summary>What the experts computed.</summary>
    public TensorView Outputs { get; set; }

    /// <summary>Sets the layer's slots, before the first row.</summary>
    public void Begin(SlotMap map) => _map = map;

    /// <summary>Takes tokens that a rank delivered.</summary>
    /// <exception cref="PeerException">They are not tokens for this rank's experts.</exception>
    public void Accept(int peer, ReadOnlySpan<byte> records)
    {
        while (!records.IsEmpty)
        {
            if (!TokenRecord.TryRead(ref records, _shape.Reduces, _shape.DispatchCodec.Bytes, out TokenRecord record))
            {
                throw new PeerException(peer, "delivered a token that is cut off");
            }

            if (!IsFrom(peer, record.Source) || !IsNext(record, out int lastExpert))
            {
                throw new PeerException(peer, $"delivered token {record.Token} of rank {record.Source} for experts that it cannot have here");
            }

            Add(peer, record, lastExpert);
        }
    }

    /// <summary>Sorts the rows by expert, then source rank, then token.</summary>
    public ExpertRows Sort(out TensorView input)
    {
        Span<int> offsets = _offsets.AsSpan(0, _map!.SlotsOf(_shape.Rank).Length + 1);
        offsets.Clear();
        int outputs = _slotStart[_count];
        for (int i = 0; i < outputs; i++)
        {
            offsets[_map.LocalIndex(_slots[i]) + 1]++;
        }

        for (int slot = 1; slot < offsets.Length; slot++)
        {
            offsets[slot] += offsets[slot - 1];
        }

        // Filling moves each offset to its slot's end, which is the next slot's beginning.
        for (int source = 0; source < _shape.Hosts.World; source++)
        {
            for (int row = _ofSource.First(source); row >= 0; row = _ofSource.Next(row))
            {
                for (int i = _slotStart[row]; i < _slotStart[row + 1]; i++)
                {
                    _outputRow[i] = offsets[_map.LocalIndex(_slots[i])]++;
                    _sources[_outputRow[i]] = row;
                }
            }
        }

        offsets[..^1].CopyTo(offsets[1..]);
        offsets[0] = 0;
        input = _input.SliceRows(0, _count);
        return new ExpertRows(offsets, _sources.AsSpan(0, outputs));
    }

    /// <summary>The number of experts of a row here.</summary>
    public int OutputsOf(int row) => _slotStart[row + 1] - _slotStart[row];

    /// <summary>The output of a row's i-th expert.</summary>
    public float* Output(int row, int i) => Outputs.PointerF32(_outputRow[_slotStart[row] + i]);

    /// <summary>The weighted sum of a row's outputs, in expert order.</summary>
    public void Sum(int row, float* destination)
    {
        new Span<float>(destination, _shape.Columns).Clear();
        for (int i = _slotStart[row]; i < _slotStart[row + 1]; i++)
        {
            _shape.Add.Row(Outputs.PointerF32(_outputRow[i]), _weights[i], destination, _shape.Columns);
        }
    }

    public void Reset()
    {
        _count = 0;
        _map = null;
        Outputs = default;
        _slotStart[0] = 0;
        Array.Clear(_slotsOfSource);
        _ofSource.Clear();
        _ofReceiver.Clear();
    }

    public void Dispose() => _inputBuffer.Dispose();

    private void Add(int peer, in TokenRecord record, int lastExpert)
    {
        int row = _count++;
        int start = _slotStart[row];
        _token[row] = record.Token;
        _lastExpert[row] = lastExpert;
        for (int i = 0; i < record.Slots.Length; i++)
        {
            _slots[start + i] = record.Slots[i];
        }

        record.Weights.CopyTo(_weights.AsSpan(_shape.Reduces ? start : 0));
        _slotStart[row + 1] = start + record.Slots.Length;
        _slotsOfSource[record.Source] += record.Slots.Length;
        _ofSource.Append(record.Source, row);
        _ofReceiver.Append(_shape.Reduces ? peer : record.Source, row);
        fixed (byte* payload = record.Payload)
        {
            _shape.DispatchCodec.Decode(payload, _input.PointerF32(row));
        }
    }

    private bool IsFrom(int peer, int source) => _shape.Forwards
        ? source < _shape.Hosts.World && _shape.MayHaveTokens[source] && _shape.Hosts.Forwarder(source, _shape.Host) == peer
        : source == peer;

    /// <summary>Whether a row may follow its source's last one: a later token, or on the way of one hop a later expert of the same.</summary>
    private bool IsNext(in TokenRecord record, out int expert)
    {
        int last = _ofSource.Last(record.Source);
        bool continues = !_shape.Forwards && last >= 0 && record.Token == _token[last];
        expert = continues ? _lastExpert[last] : -1;
        if (!continues && (record.Token >= _maxTokens || record.Token <= (last < 0 ? -1 : _token[last])))
        {
            return false;
        }

        foreach (ushort slot in record.Slots)
        {
            if (slot >= _map!.Slots || _map.RankOf(slot) != _shape.Rank || _map.ExpertOf(slot) <= expert)
            {
                return false;
            }

            expert = _map.ExpertOf(slot);
        }

        return !record.Slots.IsEmpty && record.Slots.Length <= _maxSlotsOfSource - _slotsOfSource[record.Source];
    }
}

/// <summary>Outputs, each for itself, to the ranks whose tokens they are.</summary>
internal sealed unsafe class ReturnOutflow(ReceivedTokens received, ExchangeShape shape) : Outflow(MessageKind.Return, shape.Hosts.World)
{
    private readonly int[] _row = new int[shape.Hosts.World];
    private readonly int[] _output = new int[shape.Hosts.World];

    public override void Begin(ReadOnlySpan<int> targets)
    {
        Array.Clear(_output);
        foreach (int target in targets)
        {
            _row[target] = received.OfReceiver.First(target);
        }

        base.Begin(targets);
    }

    protected override bool TryFill(int peer, ref MessageWriter writer)
    {
        int bytes = shape.CombineCodec.Bytes;
        ref int row = ref _row[peer];
        ref int output = ref _output[peer];
        while (row >= 0 && bytes <= writer.Free)
        {
            fixed (byte* destination = writer.Take(bytes, bytes))
            {
                shape.CombineCodec.Encode(received.Output(row, output), destination);
            }

            if (++output == received.OutputsOf(row))
            {
                output = 0;
                row = received.OfReceiver.Next(row);
            }
        }

        writer.IsLast = row < 0;
        return true;
    }
}

/// <summary>This rank's weighted sums to the forwarders that delivered the tokens.</summary>
internal sealed unsafe class PartialOutflow(ReceivedTokens received, ExchangeShape shape) : Outflow(MessageKind.Partial, shape.Hosts.World)
{
    private readonly int[] _row = new int[shape.Hosts.World];

    public override void Begin(ReadOnlySpan<int> targets)
    {
        foreach (int target in targets)
        {
            _row[target] = received.OfReceiver.First(target);
        }

        base.Begin(targets);
    }

    protected override bool TryFill(int peer, ref MessageWriter writer)
    {
        int bytes = shape.PartialCodec.Bytes;
        ref int row = ref _row[peer];
        for (; row >= 0 && bytes <= writer.Free; row = received.OfReceiver.Next(row))
        {
            fixed (byte* destination = writer.Take(bytes, bytes))
            {
                received.Sum(row, (float*)destination);
            }
        }

        writer.IsLast = row < 0;
        return true;
    }
}
