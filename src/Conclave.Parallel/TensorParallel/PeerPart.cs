using System.Runtime.InteropServices;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.TensorParallel;

/// <summary>What comes from one peer.</summary>
/// <param name="peer">Its number in the world, for those who are told of its errors.</param>
/// <param name="elementsOfMessage">Elements of a full message.</param>
internal sealed class PeerPart(int peer, int elementsOfMessage)
{
    // Messages that have come and not been taken, of this call or of later ones; never more than the transport has buffers for the pair.
    private readonly Queue<Completion> _held = [];
    private uint _call;
    private TensorView _part;
    private nint _elements;
    private nint _received;

    /// <summary>Whether the part of this call is here.</summary>
    public bool IsComplete => _received == _elements;

    /// <summary>Begins a call.</summary>
    public void Begin(uint call, TensorView part)
    {
        _call = call;
        _part = part;
        _elements = PartElements.Count(part);
        _received = 0;
    }

    /// <summary>Keeps a message until its turn.</summary>
    public void Hold(in Completion received) => _held.Enqueue(received);

    /// <summary>Takes what has come of this call's part.</summary>
    /// <returns>Whether anything was there.</returns>
    /// <exception cref="PeerException">A message is not the next one, or has another length.</exception>
    public bool Take(ITransport transport)
    {
        bool progress = false;
        while (!IsComplete && _held.TryDequeue(out Completion message))
        {
            Take(message);
            transport.Release(message);
            progress = true;
        }

        return progress;
    }

    private void Take(in Completion message)
    {
        GatherTag expected = new(_call, (uint)(_received / elementsOfMessage));
        if (message.Tag != expected.Encode())
        {
            throw new PeerException(peer, $"sent a message ({GatherTag.Decode(message.Tag)}) of a gather where {expected} is next");
        }

        int count = (int)nint.Min(elementsOfMessage, _elements - _received);
        if (message.Payload.Length != count * sizeof(float))
        {
            throw new PeerException(peer, $"sent {message.Payload.Length} bytes of a gather where {count * sizeof(float)} are next");
        }

        PartElements.Write(_part, _received, MemoryMarshal.Cast<byte, float>(message.Payload.Span));
        _received += count;
    }
}
