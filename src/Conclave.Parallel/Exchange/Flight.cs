using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// One exchange under way on this rank: what of it is this rank's own, what it delivers, what it computes, and which ways are still open. A peer may be one exchange
/// of a slot ahead, never two: to finish one it needs this rank's part of it. So two flights in turn are all that a slot needs.
/// </summary>
internal sealed unsafe class Flight : IDisposable
{
    private const int Turns = 2;

    private readonly ExchangeShape _shape;
    private readonly OwnTokens _own;
    private readonly Deliveries _deliveries;
    private readonly ReceivedTokens _received;
    private readonly Outflow[] _outflows;
    private readonly bool[][] _expects;
    private readonly int[] _expected = new int[ExchangeWays.Kinds];
    private SlotMaps? _placement;
    private int _namedBy;
    private bool _begun;

    public Flight(ExchangeShape shape, int maxTokens, uint step)
    {
        _shape = shape;
        _own = new OwnTokens(shape, maxTokens);
        _deliveries = new Deliveries(shape, maxTokens);
        _received = new ReceivedTokens(shape, maxTokens);
        _outflows =
        [
            new CrossOutflow(_own, shape), new DeliverOutflow(_deliveries, shape), new ReturnOutflow(_received, shape),
            new PartialOutflow(_received, shape), new SumOutflow(_deliveries, shape),
        ];
        _expects = [.. Enumerable.Range(0, ExchangeWays.Kinds).Select(_ => new bool[shape.Hosts.World])];
        Reset(step);
    }

    /// <summary>Whether this rank has begun.</summary>
    public bool IsUnderWay => _begun;

    /// <summary>Exchanges of the slot before this one.</summary>
    public uint Step { get; private set; }

    /// <summary>The layer; −1 as long as nobody has named one.</summary>
    public int Layer { get; private set; }

    /// <summary>The low bits of the placement's epoch.</summary>
    public byte Epoch => (byte)_placement!.Epoch;

    /// <summary>Ways from this rank, by kind.</summary>
    public ReadOnlySpan<Outflow> Outflows => _outflows;

    /// <summary>This rank's tokens.</summary>
    public int Tokens => _own.Count;

    /// <summary>Most rows that the experts may have to compute.</summary>
    public int MaxOutputs => _received.MaxOutputs;

    /// <summary>Whether all tokens for this rank's experts are there.</summary>
    public bool HasReceived => _expected[(int)MessageKind.Deliver] == 0;

    /// <summary>Whether everything that this rank waits for is there, and everything that others wait for is on its way.</summary>
    public bool IsDone
    {
        get
        {
            int open = 0;
            for (int kind = 0; kind < ExchangeWays.Kinds; kind++)
            {
                open += _expected[kind] + _outflows[kind].Open;
            }

            return open == 0;
        }
    }

    /// <summary>Whether something is still to come from a rank, or to go to it.</summary>
    public bool Needs(int peer)
    {
        for (int kind = 0; kind < ExchangeWays.Kinds; kind++)
        {
            if (_expects[kind][peer] || _outflows[kind].IsOpen(peer))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The slots that this rank's tokens go to.</summary>
    public ref readonly Routing ChosenSlots => ref _own.Slots;

    /// <summary>Begins with this rank's tokens.</summary>
    /// <exception cref="PeerException">Another rank began with another layer or placement.</exception>
    public void Begin(int layer, SlotMaps placement, TensorView hidden, in Routing routing)
    {
        Join(_shape.Rank, layer, placement);
        _begun = true;
        _own.Begin(placement.ByLayer[layer]!, hidden, routing, _deliveries);
        _deliveries.Complete(_shape.Rank);
        Open(MessageKind.Cross);
        Open(MessageKind.Deliver);
        Open(MessageKind.Sum);
    }

    /// <summary>The rows that the experts have to compute.</summary>
    public ExpertRows Sort(out TensorView input) => _received.Sort(out input);

    /// <summary>Begins to return outputs.</summary>
    public void BeginCombine(TensorView outputs)
    {
        _received.Outputs = outputs;
        Open(MessageKind.Return);
        Open(MessageKind.Partial);
    }

    /// <summary>Takes a message of this exchange.</summary>
    /// <exception cref="PeerException">The message cannot be.</exception>
    public void Accept(int peer, in MessageTag tag, SlotMaps placement, ReadOnlySpan<byte> message)
    {
        if ((uint)tag.Kind >= ExchangeWays.Kinds || !_expects[(int)tag.Kind][peer]
            || (!_begun && tag.Kind is not (MessageKind.Cross or MessageKind.Deliver)))
        {
            throw new PeerException(peer, $"sent a message ({tag}) that nobody waits for");
        }

        Join(peer, tag.Layer, placement);
        switch (tag.Kind)
        {
            case MessageKind.Cross:
                _deliveries.Accept(peer, message);
                break;
            case MessageKind.Deliver:
                _received.Accept(peer, message);
                break;
            case MessageKind.Partial:
                _deliveries.AcceptPartials(peer, message);
                break;
            default:
                _own.Accept(peer, message);
                break;
        }

        if (tag.IsLast)
        {
            End(peer, tag.Kind);
        }
    }

    /// <summary>Sums what came back for a token.</summary>
    public void Sum(int token, float* destination) => _own.Sum(token, _deliveries, destination);

    /// <summary>Prepares for the exchange after the next.</summary>
    public void Reset() => Reset(Step + Turns);

    public void Dispose()
    {
        _own.Dispose();
        _deliveries.Dispose();
        _received.Dispose();
    }

    private void End(int peer, MessageKind kind)
    {
        switch (kind)
        {
            case MessageKind.Cross:
                _deliveries.Complete(peer);
                break;
            case MessageKind.Deliver:
                break;
            case MessageKind.Partial:
                _deliveries.ExpectAllPartials(peer);
                break;
            default:
                _own.ExpectAll(peer);
                break;
        }

        _expects[(int)kind][peer] = false;
        _expected[(int)kind]--;
    }

    private void Open(MessageKind kind) => _outflows[(int)kind].Begin(_shape.Ways.Targets(kind));

    /// <summary>The first who takes part names the layer and the placement; all others must agree.</summary>
    private void Join(int peer, int layer, SlotMaps placement)
    {
        if (Layer == layer && ReferenceEquals(_placement, placement))
        {
            return;
        }

        SlotMap? slots = (uint)layer < (uint)placement.ByLayer.Count ? placement.ByLayer[layer] : null;
        if (Layer >= 0)
        {
            // Whoever is not this rank.
            (int other, int itsLayer, SlotMaps its, int otherLayer, SlotMaps others) = peer == _shape.Rank
                ? (_namedBy, Layer, _placement!, layer, placement) : (peer, layer, placement, Layer, _placement!);
            throw new PeerException(
                other, $"exchanges tokens of layer {itsLayer} in epoch {its.Epoch}, where others are at layer {otherLayer} in epoch {others.Epoch}");
        }

        if (slots is null)
        {
            throw new PeerException(peer, $"exchanges tokens of layer {layer}, where no experts are");
        }

        Layer = layer;
        _placement = placement;
        _namedBy = peer;
        _deliveries.Begin(slots);
        _received.Begin(slots);
    }

    private void Reset(uint step)
    {
        Step = step;
        Layer = -1;
        _placement = null;
        _begun = false;
        _own.Reset();
        _deliveries.Reset();
        _received.Reset();
        for (int kind = 0; kind < ExchangeWays.Kinds; kind++)
        {
            ReadOnlySpan<int> sources = _shape.Ways.Sources((MessageKind)kind);
            _expected[kind] = sources.Length;
            foreach (int source in sources)
            {
                _expects[kind][source] = true;
            }
        }
    }
}
