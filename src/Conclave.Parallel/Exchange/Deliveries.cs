using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// The tokens that this rank brings to experts' ranks in one exchange: its own, and on the way of two hops those of other hosts' ranks that it forwards for. A row is
/// a token, a delivery is a row for one rank. Where outputs are reduced, the ranks' sums come back here, one for each delivery.
/// </summary>
internal sealed unsafe class Deliveries : IDisposable
{
    private readonly ExchangeShape _shape;
    private readonly int _maxTokens;
    private readonly NativeBuffer _foreignPayloads;
    private readonly NativeBuffer? _partialBuffer;
    private readonly TensorView _partials;
    private readonly int[] _source;
    private readonly int[] _token;
    private readonly nint[] _payload;
    private readonly int[] _slotStart;
    private readonly ushort[] _slots;
    private readonly float[] _weights;
    private readonly int[] _deliveryStart;
    private readonly int[] _rowOfDelivery;
    private readonly int[] _missing;
    private readonly PeerLists _ofRank;
    private readonly PeerLists _ofSource;
    private readonly long[] _bytesToRank;
    private readonly int[] _awaited;
    private readonly bool[] _complete;
    private int _foreignCount;
    private int _incomplete;
    private SlotMap? _map;

    public Deliveries(ExchangeShape shape, int maxTokens)
    {
        _shape = shape;
        _maxTokens = maxTokens;
        int world = shape.Hosts.World;
        int k = shape.ExpertsPerToken;
        int foreign = checked(shape.Ways.Sources(MessageKind.Cross).Length * maxTokens);
        int rows = shape.Forwards ? foreign + maxTokens : checked(maxTokens * k);
        int slotsOfRow = shape.Forwards ? k : 1;
        int deliveriesOfRow = shape.Forwards ? Math.Min(k, shape.Hosts.RanksOf(shape.Host).Length) : 1;
        int deliveries = checked(rows * deliveriesOfRow);
        _foreignPayloads = new NativeBuffer((nint)foreign * shape.DispatchCodec.Bytes);
        if (shape.Reduces)
        {
            _partialBuffer = NativeBuffer.ForF32(deliveries, shape.Columns, out _partials);
        }

        _source = new int[rows];
        _token = new int[rows];
        _payload = new nint[rows];
        _slotStart = new int[rows + 1];
        _slots = new ushort[checked(rows * slotsOfRow)];
        _weights = new float[shape.Reduces ? _slots.Length : 0];
        _deliveryStart = new int[rows + 1];
        _rowOfDelivery = new int[deliveries];
        _missing = new int[rows];
        _ofRank = new PeerLists(world, deliveries);
        _ofSource = new PeerLists(world, rows);
        _bytesToRank = new long[world];
        _awaited = new int[world];
        _complete = new bool[world];
        Reset();
    }

    /// <summary>Number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Whether all rows are there that will be there.</summary>
    public bool IsComplete => _incomplete == 0;

    /// <summary>Deliveries by rank, in the order in which they are sent and their sums come back.</summary>
    public PeerLists OfRank => _ofRank;

    /// <summary>Rows by the rank whose tokens they are, by rising token.</summary>
    public PeerLists OfSource => _ofSource;

    /// <summary>Sets the layer's slots, before the first row.</summary>
    public void Begin(SlotMap map) => _map = map;

    /// <summary>Whether all rows of a rank's tokens are there.</summary>
    public bool IsCompleteOf(int source) => _complete[source];

    /// <summary>No more rows of that rank's tokens will come.</summary>
    public void Complete(int source)
    {
        _complete[source] = true;
        _incomplete--;
    }

    /// <summary>Adds a row whose slots rise by expert; the payload must stay where it is.</summary>
    /// <returns>The row.</returns>
    public int Add(int source, int token, ReadOnlySpan<ushort> slots, ReadOnlySpan<float> weights, byte* payload)
    {
        int row = Count++;
        _source[row] = source;
        _token[row] = token;
        _payload[row] = (nint)payload;
        int start = _slotStart[row];
        _slotStart[row + 1] = start + slots.Length;
        slots.CopyTo(_slots.AsSpan(start));
        weights.CopyTo(_weights.AsSpan(_shape.Reduces ? start : 0));
        _ofSource.Append(source, row);

        // Deliveries of a row stand side by side, by rising rank: the order in which their sums are added.
        int delivery = _deliveryStart[row];
        for (int rank = NextRank(slots, -1); rank >= 0; rank = NextRank(slots, rank))
        {
            _rowOfDelivery[delivery] = row;
            _ofRank.Append(rank, delivery);
            _bytesToRank[rank] += DeliveryBytes(delivery, rank);
            delivery++;
        }

        _deliveryStart[row + 1] = delivery;
        _missing[row] = delivery - _deliveryStart[row];
        return row;
    }

    /// <summary>Takes tokens that another host's rank sent for experts of this host.</summary>
    /// <exception cref="PeerException">They are not such tokens.</exception>
    public void Accept(int peer, ReadOnlySpan<byte> records)
    {
        int payloadBytes = _shape.DispatchCodec.Bytes;
        while (!records.IsEmpty)
        {
            if (!TokenRecord.TryRead(ref records, _shape.Reduces, payloadBytes, out TokenRecord record))
            {
                throw new PeerException(peer, "sent a token that is cut off");
            }

            int last = _ofSource.Last(peer);
            if (record.Source != peer || record.Token >= _maxTokens || record.Token <= (last < 0 ? -1 : _token[last]) || !AreSlotsOfHost(record.Slots))
            {
                throw new PeerException(peer, $"sent token {record.Token} of rank {record.Source} for experts that it cannot have here");
            }

            byte* payload = _foreignPayloads.Data + ((nint)_foreignCount++ * payloadBytes);
            record.Payload.CopyTo(new Span<byte>(payload, payloadBytes));
            Add(peer, record.Token, record.Slots, record.Weights, payload);
        }
    }

    /// <summary>Bytes of the record of a delivery to a rank.</summary>
    public int DeliveryBytes(int delivery, int rank)
    {
        int count = 0;
        foreach (ushort slot in SlotsOf(_rowOfDelivery[delivery]))
        {
            count += _map!.RankOf(slot) == rank ? 1 : 0;
        }

        return TokenRecord.Bytes(count, _shape.Reduces, _shape.DispatchCodec.Bytes);
    }

    /// <summary>Bytes of deliveries to a rank that were not written yet.</summary>
    public long BytesTo(int rank) => _bytesToRank[rank];

    /// <summary>Writes the record of a delivery to a rank.</summary>
    public void WriteDelivery(int delivery, int rank, Span<byte> record)
    {
        int row = _rowOfDelivery[delivery];
        ReadOnlySpan<ushort> all = SlotsOf(row);
        Span<ushort> chosen = stackalloc ushort[all.Length];
        Span<float> weights = stackalloc float[all.Length];
        int count = 0;
        for (int i = 0; i < all.Length; i++)
        {
            if (_map!.RankOf(all[i]) == rank)
            {
                chosen[count] = all[i];
                weights[count++] = _shape.Reduces ? _weights[_slotStart[row] + i] : 0;
            }
        }

        ReadOnlySpan<byte> payload = new((byte*)_payload[row], _shape.DispatchCodec.Bytes);
        TokenRecord.Write(
            record, _token[row], _source[row], count, _shape.Reduces, payload, out Span<ushort> slotFields, out Span<float> weightFields);
        chosen[..count].CopyTo(slotFields);
        weights[..weightFields.Length].CopyTo(weightFields);
        _bytesToRank[rank] -= record.Length;
    }

    /// <summary>Takes a rank's sums of its deliveries, in their order.</summary>
    /// <exception cref="PeerException">It sent more than it had deliveries.</exception>
    public void AcceptPartials(int peer, ReadOnlySpan<byte> rows)
    {
        int bytes = _shape.PartialCodec.Bytes;
        if (rows.Length % bytes != 0)
        {
            throw new PeerException(peer, $"sent sums of {rows.Length} bytes, which are not rows of {bytes}");
        }

        fixed (byte* data = rows)
        {
            for (int offset = 0; offset < rows.Length; offset += bytes)
            {
                int previous = _awaited[peer];
                int delivery = previous < 0 ? _ofRank.First(peer) : _ofRank.Next(previous);
                if (delivery < 0)
                {
                    throw new PeerException(peer, "sent more sums than it was sent tokens");
                }

                _awaited[peer] = delivery;
                _shape.PartialCodec.Decode(data + offset, _partials.PointerF32(delivery));
                _missing[_rowOfDelivery[delivery]]--;
            }
        }
    }

    /// <summary>Checks that a rank sent all its sums.</summary>
    /// <exception cref="PeerException">Sums are missing.</exception>
    public void ExpectAllPartials(int peer)
    {
        // As long as rows come that it will be sent it cannot know which sum is its last.
        if (!IsComplete || _awaited[peer] != _ofRank.Last(peer))
        {
            throw new PeerException(peer, "sent fewer sums than it was sent tokens");
        }
    }

    /// <summary>Whether all ranks' sums of a row are there.</summary>
    public bool IsSummable(int row) => _missing[row] == 0;

    /// <summary>Sums a row over the ranks of this host, in rank order; once for a row, when it is summable.</summary>
    /// <returns>H numbers.</returns>
    public float* SumOf(int row)
    {
        float* sum = _partials.PointerF32(_deliveryStart[row]);
        for (int delivery = _deliveryStart[row] + 1; delivery < _deliveryStart[row + 1]; delivery++)
        {
            _shape.Add.Row(_partials.PointerF32(delivery), 1f, sum, _shape.Columns);
        }

        return sum;
    }

    public void Reset()
    {
        Count = 0;
        _foreignCount = 0;
        _map = null;
        _slotStart[0] = 0;
        _deliveryStart[0] = 0;
        _ofRank.Clear();
        _ofSource.Clear();
        Array.Clear(_bytesToRank);
        Array.Clear(_complete);
        Array.Fill(_awaited, -1);
        _incomplete = _shape.Ways.Sources(MessageKind.Cross).Length + 1;
    }

    public void Dispose()
    {
        _foreignPayloads.Dispose();
        _partialBuffer?.Dispose();
    }

    private ReadOnlySpan<ushort> SlotsOf(int row) => _slots.AsSpan(_slotStart[row].._slotStart[row + 1]);

    /// <summary>The lowest rank above another that holds any of the slots; −1 where there is none.</summary>
    private int NextRank(ReadOnlySpan<ushort> slots, int above)
    {
        int next = -1;
        foreach (ushort slot in slots)
        {
            int rank = _map!.RankOf(slot);
            if (rank > above && (next < 0 || rank < next))
            {
                next = rank;
            }
        }

        return next;
    }

    private bool AreSlotsOfHost(ReadOnlySpan<ushort> slots)
    {
        int expert = -1;
        foreach (ushort slot in slots)
        {
            if (slot >= _map!.Slots || _shape.Hosts.HostOf(_map.RankOf(slot)) != _shape.Host || _map.ExpertOf(slot) <= expert)
            {
                return false;
            }

            expert = _map.ExpertOf(slot);
        }

        return (uint)(slots.Length - 1) < (uint)_shape.ExpertsPerToken;
    }
}

/// <summary>Tokens to the ranks of their experts.</summary>
internal sealed class DeliverOutflow(Deliveries deliveries, ExchangeShape shape) : Outflow(MessageKind.Deliver, shape.Hosts.World)
{
    private readonly int[] _sent = new int[shape.Hosts.World];

    public override void Begin(ReadOnlySpan<int> targets)
    {
        Array.Fill(_sent, -1);
        base.Begin(targets);
    }

    protected override bool TryFill(int peer, ref MessageWriter writer)
    {
        if (!deliveries.IsComplete && deliveries.BytesTo(peer) < writer.Free)
        {
            return false;
        }

        int next = Following(peer);
        while (next >= 0 && deliveries.DeliveryBytes(next, peer) <= writer.Free)
        {
            deliveries.WriteDelivery(next, peer, writer.Take(deliveries.DeliveryBytes(next, peer), shape.DispatchCodec.Bytes));
            _sent[peer] = next;
            next = deliveries.OfRank.Next(next);
        }

        writer.IsLast = next < 0 && deliveries.IsComplete;
        return true;
    }

    private int Following(int peer) => _sent[peer] < 0 ? deliveries.OfRank.First(peer) : deliveries.OfRank.Next(_sent[peer]);
}

/// <summary>Sums of this host to the ranks of other hosts whose tokens they are.</summary>
internal sealed unsafe class SumOutflow(Deliveries deliveries, ExchangeShape shape) : Outflow(MessageKind.Sum, shape.Hosts.World)
{
    private readonly int[] _sent = new int[shape.Hosts.World];

    public override void Begin(ReadOnlySpan<int> targets)
    {
        Array.Fill(_sent, -1);
        base.Begin(targets);
    }

    protected override bool TryFill(int peer, ref MessageWriter writer)
    {
        int bytes = shape.CombineCodec.Bytes;
        int first = _sent[peer] < 0 ? deliveries.OfSource.First(peer) : deliveries.OfSource.Next(_sent[peer]);
        int fitting = writer.Free / bytes;
        int ready = 0;
        int row = first;
        for (; row >= 0 && ready < fitting && deliveries.IsSummable(row); row = deliveries.OfSource.Next(row))
        {
            ready++;
        }

        bool ends = row < 0 && deliveries.IsCompleteOf(peer);
        if (ready < fitting && !ends)
        {
            return false;
        }

        row = first;
        for (int i = 0; i < ready; i++, row = deliveries.OfSource.Next(row))
        {
            fixed (byte* destination = writer.Take(bytes, bytes))
            {
                shape.CombineCodec.Encode(deliveries.SumOf(row), destination);
            }

            _sent[peer] = row;
        }

        writer.IsLast = ends;
        return true;
    }
}
