using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.TensorParallel;

/// <summary>
/// The gather of a group of ranks over a transport. A rank's part travels row by row, cut into messages, to each of the others straight from one copy of it. A call returns when all parts are here and
/// this rank's own has left, so nothing has to make progress between calls. A peer may be calls ahead: what it has sent stays in its message buffers, of which it has a fixed number, until
/// its turn. Nothing that a peer sends is believed before it is checked. After an exception the gather can only be disposed of with its transport.
/// </summary>
public sealed class RankGather : IRankGather
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWaitBesideExchange = TimeSpan.FromMilliseconds(1);

    private readonly ITransport _transport;
    private readonly IExpertExchange? _exchange;
    private readonly int _firstRank;
    private readonly int _elementsOfMessage;
    private readonly OwnPart _own;
    private readonly PeerPart[] _peers;
    private readonly Completion[] _completions = new Completion[64];
    private readonly string?[] _failures;
    private uint _call;

    /// <summary>Creates this rank's end.</summary>
    /// <param name="transport">The rank's transport among the ranks of its group, for this gather alone; it is not disposed.</param>
    /// <param name="exchange">The model's exchange, which is carried on while this waits, because the peers may be waiting for that; null where tokens do not travel.</param>
    /// <param name="firstRank">The number in the world of the group's first rank, by which errors name the others.</param>
    /// <exception cref="ArgumentException">A message holds no number.</exception>
    public RankGather(ITransport transport, IExpertExchange? exchange, int firstRank = 0)
    {
        _elementsOfMessage = transport.MaxMessageBytes / sizeof(float);
        if (_elementsOfMessage == 0)
        {
            throw new ArgumentException($"messages of {transport.MaxMessageBytes} bytes; at least {sizeof(float)} are needed", nameof(transport));
        }

        _transport = transport;
        _exchange = exchange;
        _firstRank = firstRank;
        _own = new OwnPart(transport, _elementsOfMessage);
        _peers = [.. Enumerable.Range(0, transport.World).Select(peer => new PeerPart(firstRank + peer, _elementsOfMessage))];
        _failures = new string?[transport.World];
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">There is not one part for each rank, or one is not F32.</exception>
    /// <exception cref="PeerException">A rank failed or sent what cannot be.</exception>
    public void Gather(ReadOnlySpan<TensorView> parts)
    {
        if (parts.Length != _transport.World)
        {
            throw new ArgumentException($"{parts.Length} parts for {_transport.World} ranks", nameof(parts));
        }

        foreach (TensorView part in parts)
        {
            if (part.Format != ElementFormat.F32)
            {
                throw new ArgumentException($"a part is {part.Format}; F32 is expected", nameof(parts));
            }
        }

        for (int peer = 0; peer < _peers.Length; peer++)
        {
            if (peer == _transport.Rank)
            {
                _own.Begin(_call, parts[peer]);
            }
            else
            {
                _peers[peer].Begin(_call, parts[peer]);
            }
        }

        while (!IsComplete())
        {
            if (!(Receive() | _own.Send(_failures)))
            {
                ThrowIfLost();
                _exchange?.Progress();
                _transport.Wait(_exchange is null ? LongestWait : LongestWaitBesideExchange);
            }
        }

        _call++;
    }

    private bool IsComplete()
    {
        for (int peer = 0; peer < _peers.Length; peer++)
        {
            if (!_peers[peer].IsComplete || !_own.HasLeftFor(peer, _failures))
            {
                return false;
            }
        }

        return true;
    }

    private bool Receive()
    {
        int count = _transport.Poll(_completions);
        foreach (ref readonly Completion completion in _completions.AsSpan(0, count))
        {
            switch (completion.Kind)
            {
                case CompletionKind.Sent:
                    _own.Complete(completion.Peer);
                    break;
                case CompletionKind.Received:
                    _peers[completion.Peer].Hold(completion);
                    break;
                default:
                    _failures[completion.Peer] = completion.Reason;
                    break;
            }
        }

        bool progress = count > 0;
        foreach (PeerPart peer in _peers)
        {
            progress |= peer.Take(_transport);
        }

        return progress;
    }

    private void ThrowIfLost()
    {
        // A rank that has done its part may leave.
        for (int peer = 0; peer < _peers.Length; peer++)
        {
            if (_failures[peer] is string reason && (!_peers[peer].IsComplete || !_own.IsTakenFor(peer)))
            {
                throw new PeerException(_firstRank + peer, reason);
            }
        }
    }
}
