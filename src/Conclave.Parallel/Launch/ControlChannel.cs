using System.Buffers.Binary;
using System.Net.Sockets;

namespace Conclave.Parallel.Launch;

/// <summary>
/// One end of the local socket between a rank and the coordinator. A message is the length of its body (4 bytes, little-endian), its kind (1 byte) and the body. Any thread may send; one receives.
/// </summary>
internal sealed class ControlChannel : IDisposable
{
    private const int HeaderBytes = 5;
    private const int SendTimeoutMilliseconds = 10_000;

    private readonly Socket _socket;
    private readonly Lock _sending = new();
    private readonly byte[] _header = new byte[HeaderBytes];
    private byte[] _outgoing = new byte[64];

    public ControlChannel(Socket socket)
    {
        _socket = socket;

        // Whoever does not read for so long is lost.
        socket.SendTimeout = SendTimeoutMilliseconds;
    }

    /// <summary>Whether the other end has not read in time what it was sent.</summary>
    public bool IsUnread { get; private set; }

    /// <summary>Connects to a coordinator.</summary>
    /// <exception cref="IOException">Nobody listens there.</exception>
    public static ControlChannel Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new ControlChannel(socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"no launch listens at {path}: {e.Message}", e);
        }
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="IOException">The other end has gone, or does not read.</exception>
    public void Send(ControlKind kind, ReadOnlySpan<byte> body = default)
    {
        if (body.Length > ControlFrame.MostBytes(kind))
        {
            throw new ArgumentException($"a body of {body.Length} bytes is too long for {kind}", nameof(body));
        }

        lock (_sending)
        {
            int length = HeaderBytes + body.Length;
            if (_outgoing.Length < length)
            {
                // Steps grow slowly: each would need a little more.
                _outgoing = new byte[Math.Max(length, 2 * _outgoing.Length)];
            }

            BinaryPrimitives.WriteInt32LittleEndian(_outgoing, body.Length);
            _outgoing[HeaderBytes - 1] = (byte)kind;
            body.CopyTo(_outgoing.AsSpan(HeaderBytes));
            try
            {
                for (ReadOnlySpan<byte> rest = _outgoing.AsSpan(0, length); !rest.IsEmpty;)
                {
                    rest = rest[_socket.Send(rest)..];
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // A part of the message may have left: nothing that follows could be understood.
                IsUnread = e is SocketException { SocketErrorCode: SocketError.TimedOut or SocketError.WouldBlock };
                Close();
                throw new IOException($"the control channel is closed: {e.Message}", e);
            }
        }
    }

    /// <summary>Waits for the next message; false where the other end has gone.</summary>
    /// <exception cref="ControlException">What came is no message.</exception>
    public bool TryReceive(out ControlFrame frame)
    {
        frame = default;
        if (!TryFill(_header))
        {
            return false;
        }

        ControlKind kind = (ControlKind)_header[HeaderBytes - 1];
        int length = BinaryPrimitives.ReadInt32LittleEndian(_header);
        int most = ControlFrame.MostBytes(kind);
        if ((uint)length > (uint)most)
        {
            throw new ControlException($"sent a message of {(uint)length} bytes; {kind} has at most {most}");
        }

        frame = ControlFrame.Empty(kind, length);
        return TryFill(frame.Body);
    }

    /// <summary>Ends a wait for messages that another thread is in.</summary>
    public void Close()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is closed already.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _socket.Dispose();
    }

    private bool TryFill(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count;
            try
            {
                count = _socket.Receive(bytes);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return false;
            }

            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }
}
