using System.Diagnostics;
using Conclave.Primitives;

namespace Conclave.Transport.Bench;

/// <summary>One of two ranks that measure a transport: rank 0 begins and measures, rank 1 answers.</summary>
internal sealed class TransportPath : IMeasuredPath
{
    private readonly ITransport _transport;
    private readonly int _peer;
    private readonly NativeBuffer _payload;
    private readonly Completion[] _completions = new Completion[16];
    private int _received;

    public TransportPath(ITransport transport)
    {
        _transport = transport;
        _peer = 1 - transport.Rank;
        _payload = transport.Register(transport.MaxMessageBytes);
    }

    public int Rank => _transport.Rank;

    public void Send(int bytes)
    {
        while (!_transport.TrySend(_peer, 0, new NativeSlice(_payload, 0, bytes)))
        {
            Advance();
        }
    }

    public void Receive(int messages)
    {
        while (_received < messages)
        {
            Advance();
        }

        _received -= messages;
    }

    private void Advance()
    {
        int count = _transport.Poll(_completions);
        foreach (ref readonly Completion completion in _completions.AsSpan(0, count))
        {
            switch (completion.Kind)
            {
                case CompletionKind.Received:
                    _transport.Release(completion);
                    _received++;
                    break;
                case CompletionKind.PeerFailed:
                    throw new UnreachableException(completion.Reason);
            }
        }

        if (count == 0)
        {
            _transport.Wait(TimeSpan.FromSeconds(1));
        }
    }
}
