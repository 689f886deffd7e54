using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>The tokens of this rank in one exchange: their copies for other hosts, and the outputs (or sums) that came back for them.</summary>
internal sealed unsafe class OwnTokens : IDisposable
{
    private readonly ExchangeShape _shape;
    private readonly ChosenSlots _chosenSlots;
    private readonly CopyPlan _byHost;
    private readonly CopyPlan _byRank;
    private readonly NativeBuffer _encoded;
    private readonly NativeBuffer _resultBuffer;
    private readonly TensorView _results;
    private readonly int[] _returnedCopies;
    private readonly int[] _returnedChoices;
    private readonly int[] _ownRow;
    private SlotMap? _slots;
    private Routing _routing;

    public OwnTokens(ExchangeShape shape, int maxTokens)
    {
        _shape = shape;
        _chosenSlots = new ChosenSlots(shape, maxTokens);
        int k = shape.ExpertsPerToken;
        _byHost = new CopyPlan(maxTokens, k, shape.Hosts.Hosts);
        _byRank = new CopyPlan(maxTokens, k, shape.Hosts.World);
        _encoded = new NativeBuffer(checked((nint)maxTokens * shape.DispatchCodec.Bytes));
        int resultsOfToken = shape.Reduces ? Math.Min(k, shape.Hosts.Hosts) : k;
        _resultBuffer = NativeBuffer.ForF32((nint)maxTokens * resultsOfToken, shape.Columns, out _results);
        _returnedCopies = new int[shape.Hosts.World];
        _returnedChoices = new int[shape.Hosts.World];
        _ownRow = new int[maxTokens * k];
    }

    /// <summary>Number of tokens.</summary>
    public int Count => _routing.Tokens;

    public CopyPlan ByHost => _byHost;

    /// <summary>The slots that the tokens go to.</summary>
    public ref readonly Routing Slots => ref _routing;

    /// <summary>Plans and encodes a dispatch, and hands the copies for this rank's own deliveries to <paramref name="deliveries"/>.</summary>
    public void Begin(SlotMap slots, TensorView hidden, in Routing experts, Deliveries deliveries)
    {
        Routing routing = _chosenSlots.Choose(slots, experts);
        _slots = slots;
        _routing = routing;
        if (_shape.Forwards)
        {
            _byHost.ByHost(routing, slots, _shape.Hosts);
        }

        if (!_shape.Reduces)
        {
            _byRank.ByRank(routing, slots);
        }

        if (!_shape.MayHaveTokens[_shape.Rank] && _routing.Tokens > 0)
        {
            throw new ArgumentException($"rank {_shape.Rank} has {_routing.Tokens} tokens, and was to have none");
        }

        CopyPlan plan = _shape.Forwards ? _byHost : _byRank;
        for (int token = 0; token < routing.Tokens; token++)
        {
            (int first, int end) = plan.Of(token);
            if (first < end)
            {
                _shape.DispatchCodec.Encode(hidden.PointerF32(token), Encoded(token));
            }
        }

        if (_shape.Forwards)
        {
            foreach (int copy in _byHost.To(_shape.Host))
            {
                _ownRow[copy] = Deliver(deliveries, copy, _byHost.Choices(copy));
            }

            return;
        }

        // One copy for each chosen expert.
        for (int copy = 0; copy < _byRank.Count; copy++)
        {
            ReadOnlySpan<int> choices = _byRank.Choices(copy);
            for (int i = 0; i < choices.Length; i++)
            {
                Deliver(deliveries, copy, choices.Slice(i, 1));
            }
        }
    }

    /// <summary>Bytes of the record of a copy for another host.</summary>
    public int CopyBytes(int copy) => TokenRecord.Bytes(_byHost.Choices(copy).Length, _shape.Reduces, _shape.DispatchCodec.Bytes);

    /// <summary>Writes the record of a copy for another host.</summary>
    public void WriteCopy(int copy, Span<byte> record)
    {
        int token = _byHost.Token(copy);
        ReadOnlySpan<int> choices = _byHost.Choices(copy);
        ReadOnlySpan<byte> payload = new(Encoded(token), _shape.DispatchCodec.Bytes);
        TokenRecord.Write(
            record, token, _shape.Rank, choices.Length, _shape.Reduces, payload, out Span<ushort> slots, out Span<float> weights);
        CopyChoices(token, choices, slots, weights);
    }

    /// <summary>Takes rows that a rank returned: outputs by (token, expert), or a host's sums by token.</summary>
    /// <exception cref="PeerException">It returned more rows than were asked of it.</exception>
    public void Accept(int peer, ReadOnlySpan<byte> rows)
    {
        int bytes = _shape.CombineCodec.Bytes;
        if (rows.Length % bytes != 0)
        {
            throw new PeerException(peer, $"returned {rows.Length} bytes, which are not rows of {bytes}");
        }

        fixed (byte* data = rows)
        {
            for (int offset = 0; offset < rows.Length; offset += bytes)
            {
                _shape.CombineCodec.Decode(data + offset, _results.PointerF32(NextResult(peer)));
            }
        }
    }

    /// <summary>Checks that a rank returned all rows.</summary>
    /// <exception cref="PeerException">Rows are missing.</exception>
    public void ExpectAll(int peer)
    {
        int asked = Asked(peer).Length;
        if (_returnedCopies[peer] != asked)
        {
            throw new PeerException(peer, $"returned the outputs of {_returnedCopies[peer]} of {asked} tokens");
        }
    }

    /// <summary>Sums what came back for a token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="deliveries">Has the sums of this rank's own host.</param>
    /// <param name="destination">H numbers, overwritten.</param>
    public void Sum(int token, Deliveries deliveries, float* destination)
    {
        new Span<float>(destination, _shape.Columns).Clear();
        if (!_shape.Reduces)
        {
            SumInExpertOrder(token, destination);
            return;
        }

        (int first, int end) = _byHost.Of(token);
        for (int copy = first; copy < end; copy++)
        {
            float* sum = _byHost.Destination(copy) == _shape.Host ? deliveries.SumOf(_ownRow[copy]) : _results.PointerF32(copy);
            _shape.Add.Row(sum, 1f, destination, _shape.Columns);
        }
    }

    public void Reset()
    {
        Array.Clear(_returnedCopies);
        Array.Clear(_returnedChoices);
        _routing = default;
    }

    public void Dispose()
    {
        _chosenSlots.Dispose();
        _encoded.Dispose();
        _resultBuffer.Dispose();
    }

    private int Deliver(Deliveries deliveries, int copy, ReadOnlySpan<int> choices)
    {
        Span<ushort> slots = stackalloc ushort[choices.Length];
        Span<float> weights = stackalloc float[_shape.Reduces ? choices.Length : 0];
        int token = (_shape.Forwards ? _byHost : _byRank).Token(copy);
        CopyChoices(token, choices, slots, weights);
        return deliveries.Add(_shape.Rank, token, slots, weights, Encoded(token));
    }

    private void CopyChoices(int token, ReadOnlySpan<int> choices, Span<ushort> slots, Span<float> weights)
    {
        for (int i = 0; i < choices.Length; i++)
        {
            slots[i] = (ushort)_routing.Experts(token)[choices[i]];
            if (_shape.Reduces)
            {
                weights[i] = _routing.Weights(token)[choices[i]];
            }
        }
    }

    private byte* Encoded(int token) => _encoded.Data + ((nint)token * _shape.DispatchCodec.Bytes);

    private ReadOnlySpan<int> Asked(int peer) => _shape.Reduces ? _byHost.To(_shape.Hosts.HostOf(peer)) : _byRank.To(peer);

    private int NextResult(int peer)
    {
        ReadOnlySpan<int> copies = Asked(peer);
        ref int copy = ref _returnedCopies[peer];
        if (copy == copies.Length)
        {
            throw new PeerException(peer, $"returned more than the outputs of {copies.Length} tokens");
        }

        if (_shape.Reduces)
        {
            return copies[copy++];
        }

        ReadOnlySpan<int> choices = _byRank.Choices(copies[copy]);
        int result = (_byRank.Token(copies[copy]) * _shape.ExpertsPerToken) + choices[_returnedChoices[peer]++];
        if (_returnedChoices[peer] == choices.Length)
        {
            _returnedChoices[peer] = 0;
            copy++;
        }

        return result;
    }

    private void SumInExpertOrder(int token, float* destination)
    {
        ReadOnlySpan<int> chosen = _routing.Experts(token);
        ReadOnlySpan<float> weights = _routing.Weights(token);
        int previous = -1;
        while (true)
        {
            int next = -1;
            for (int k = 0; k < chosen.Length; k++)
            {
                if (chosen[k] >= 0 && Expert(chosen[k]) > previous && (next < 0 || Expert(chosen[k]) < Expert(chosen[next])))
                {
                    next = k;
                }
            }

            if (next < 0)
            {
                return;
            }

            previous = Expert(chosen[next]);
            float* output = _results.PointerF32(((nint)token * _shape.ExpertsPerToken) + next);
            _shape.Add.Row(output, weights[next], destination, _shape.Columns);
        }
    }

    private int Expert(int slot) => _slots!.ExpertOf(slot);
}

/// <summary>This rank's tokens to their forwarders on other hosts.</summary>
internal sealed class CrossOutflow(OwnTokens own, ExchangeShape shape) : Outflow(MessageKind.Cross, shape.Hosts.World)
{
    private readonly int[] _sent = new int[shape.Hosts.Hosts];

    public override void Begin(ReadOnlySpan<int> targets)
    {
        Array.Clear(_sent);
        base.Begin(targets);
    }

    protected override bool TryFill(int peer, ref MessageWriter writer)
    {
        int host = shape.Hosts.HostOf(peer);
        ReadOnlySpan<int> copies = own.ByHost.To(host);
        ref int sent = ref _sent[host];
        for (; sent < copies.Length && own.CopyBytes(copies[sent]) <= writer.Free; sent++)
        {
            own.WriteCopy(copies[sent], writer.Take(own.CopyBytes(copies[sent]), shape.DispatchCodec.Bytes));
        }

        writer.IsLast = sent == copies.Length;
        return true;
    }
}
