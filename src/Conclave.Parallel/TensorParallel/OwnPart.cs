using System.Runtime.InteropServices;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.TensorParallel;

/// <summary>What this rank sends to all others: each message is copied once, into a ring of buffers, which are free again when the transport is done with them for every peer.</summary>
internal sealed class OwnPart
{
    // Some on their way while the next is copied.
    private const int Buffers = 4;

    private readonly ITransport _transport;
    private readonly int _elementsOfMessage;
    private readonly int _bytesOfBuffer;
    private readonly NativeBuffer _memory;
    private readonly int[] _taken;
    private readonly int[] _done;
    private uint _call;
    private TensorView _part;
    private nint _elements;
    private int _messages;
    private int _written;

    public OwnPart(ITransport transport, int elementsOfMessage)
    {
        _transport = transport;
        _elementsOfMessage = elementsOfMessage;
        _bytesOfBuffer = elementsOfMessage * sizeof(float);
        _memory = transport.Register((nint)Buffers * _bytesOfBuffer);
        _taken = new int[transport.World];
        _done = new int[transport.World];
    }

    /// <summary>Begins a call.</summary>
    public void Begin(uint call, TensorView part)
    {
        _call = call;
        _part = part;
        _elements = PartElements.Count(part);
        _messages = checked((int)((_elements + _elementsOfMessage - 1) / _elementsOfMessage));
        _written = 0;
        Array.Clear(_taken);
        Array.Clear(_done);
    }

    /// <summary>Copies and sends what can be.</summary>
    /// <param name="failures">By rank; not null for those that nothing more is heard of.</param>
    /// <returns>Whether anything was done.</returns>
    public bool Send(ReadOnlySpan<string?> failures)
    {
        bool progress = false;
        while (_written < _messages && MayWrite(failures))
        {
            Write();
            progress = true;
        }

        // Each rank begins with the next one, so that not all send to the same one at once.
        for (int distance = 1; distance < _taken.Length; distance++)
        {
            int peer = (_transport.Rank + distance) % _taken.Length;
            while (_taken[peer] < _written && TrySend(peer, _taken[peer]))
            {
                _taken[peer]++;
                progress = true;
            }
        }

        return progress;
    }

    /// <summary>The transport is done with the oldest message to a peer.</summary>
    public void Complete(int peer) => _done[peer]++;

    /// <summary>Whether the transport has taken all messages to a peer.</summary>
    public bool IsTakenFor(int peer) => peer == _transport.Rank || _taken[peer] == _messages;

    /// <summary>Whether all messages to a peer have left, as far as will be heard of it.</summary>
    public bool HasLeftFor(int peer, ReadOnlySpan<string?> failures) =>
        IsTakenFor(peer) && (peer == _transport.Rank || _done[peer] == _messages || failures[peer] is not null);

    private bool MayWrite(ReadOnlySpan<string?> failures)
    {
        for (int peer = 0; peer < _done.Length; peer++)
        {
            if (peer != _transport.Rank && failures[peer] is null && _written - _done[peer] == Buffers)
            {
                return false;
            }
        }

        return true;
    }

    private void Write()
    {
        PartElements.Read(_part, (nint)_written * _elementsOfMessage, MemoryMarshal.Cast<byte, float>(Message(_written).Span));
        _written++;
    }

    private bool TrySend(int peer, int message) => _transport.TrySend(peer, new GatherTag(_call, (uint)message).Encode(), Message(message));

    private NativeSlice Message(int number)
    {
        nint elements = nint.Min(_elementsOfMessage, _elements - ((nint)number * _elementsOfMessage));
        return new NativeSlice(_memory, (nint)(number % Buffers) * _bytesOfBuffer, (int)elements * sizeof(float));
    }
}
