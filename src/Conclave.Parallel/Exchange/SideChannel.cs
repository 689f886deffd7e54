using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Exchange;

/// <summary>What ranks tell each other beside their exchanges.</summary>
internal interface ISideMessages
{
    /// <summary>False where <see cref="Write"/> would have nothing for anybody.</summary>
    bool HasMessages { get; }

    /// <summary>Writes the next message to a peer.</summary>
    /// <returns>Its length; 0 where there is none for this peer.</returns>
    int Write(int peer, Span<byte> memory);

    /// <summary>Takes a message; always, so that nobody waits for this rank.</summary>
    /// <exception cref="PeerException">The message cannot be.</exception>
    void Read(int peer, ReadOnlySpan<byte> message);
}

/// <summary>
/// Carries <see cref="ISideMessages"/> over an exchange's transport, at the exchange's pauses. At most one message to a peer is on its way, and no exchange waits for it.
/// </summary>
internal sealed class SideChannel
{
    private const int FewestBytes = 32;
    private const int MostBytes = 16 << 10;

    private readonly ITransport _transport;
    private readonly ulong _tag;
    private readonly ISideMessages _messages;
    private readonly Action<int, int> _sent;
    private readonly NativeBuffer _memory;
    private readonly int _bytes;
    private readonly int[] _length;
    private readonly bool[] _isLeaving;
    private int _waiting;

    /// <summary>Opens a channel of a rank.</summary>
    /// <param name="transport">The exchange's transport.</param>
    /// <param name="number">Which of the exchange's side channels it is.</param>
    /// <param name="messages">What it carries.</param>
    /// <param name="sent">Is told each message's peer and bytes, its envelope included.</param>
    /// <exception cref="ArgumentException">The transport's messages are too short for any header.</exception>
    public SideChannel(ITransport transport, int number, ISideMessages messages, Action<int, int> sent)
    {
        if (transport.MaxMessageBytes < FewestBytes)
        {
            throw new ArgumentException($"messages of {transport.MaxMessageBytes} bytes; at least {FewestBytes} are needed", nameof(transport));
        }

        _transport = transport;
        _tag = new MessageTag(MessageKind.Side, IsLast: true, number, 0, 0, 0).Encode();
        _messages = messages;
        _sent = sent;
        _bytes = Math.Min(transport.MaxMessageBytes, MostBytes);
        _memory = transport.Register((nint)transport.World * _bytes);
        _length = new int[transport.World];
        _isLeaving = new bool[transport.World];
    }

    /// <summary>Writes and sends what can be.</summary>
    /// <returns>Whether the transport took anything.</returns>
    public bool Send()
    {
        if (_waiting == 0 && !_messages.HasMessages)
        {
            return false;
        }

        bool progress = false;
        for (int peer = 0; peer < _length.Length; peer++)
        {
            NativeSlice memory = new(_memory, (nint)peer * _bytes, _bytes);
            if (_length[peer] == 0)
            {
                _length[peer] = _messages.Write(peer, memory.Span);
                _waiting += _length[peer] > 0 ? 1 : 0;
            }

            if (_length[peer] > 0 && !_isLeaving[peer] && _transport.TrySend(peer, _tag, new NativeSlice(_memory, (nint)peer * _bytes, _length[peer])))
            {
                _sent(peer, _length[peer] + TransportCounters.EnvelopeBytes);
                _isLeaving[peer] = true;
                _waiting--;
                progress = true;
            }
        }

        return progress;
    }

    /// <summary>Whether nothing that was written to a peer is still here.</summary>
    public bool HasLeftFor(int peer) => _length[peer] == 0;

    /// <summary>The message to a peer has left.</summary>
    public void Complete(int peer)
    {
        _isLeaving[peer] = false;
        _length[peer] = 0;
    }

    /// <summary>Takes a message.</summary>
    /// <exception cref="PeerException">The message cannot be.</exception>
    public void Accept(int peer, ReadOnlySpan<byte> message) => _messages.Read(peer, message);
}
