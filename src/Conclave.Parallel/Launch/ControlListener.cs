using System.Net.Sockets;
using System.Text;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>Takes connections to the control channel, a thread for each.</summary>
internal sealed class ControlListener : IDisposable
{
    private const int Backlog = 512;
    private const int FirstMessageTimeoutMilliseconds = 30_000;

    private readonly ControlFolder _folder = new();
    private readonly Socket _socket;
    private readonly Action<ControlChannel, ControlFrame> _serve;
    private readonly Action<string> _log;
    private readonly Action<string> _failed;
    private readonly Thread _thread;
    private volatile bool _disposed;

    /// <summary>Listens in a new folder that only this user can enter.</summary>
    /// <param name="serve">Handles a connection with its first message, until it ends.</param>
    /// <param name="log">Is told what was refused.</param>
    /// <param name="failed">Is told why nobody can connect any more.</param>
    public ControlListener(Action<ControlChannel, ControlFrame> serve, Action<string> log, Action<string> failed)
    {
        _serve = serve;
        _log = log;
        _failed = failed;
        _socket = _folder.Listen(Backlog);
        _thread = new Thread(Listen) { IsBackground = true, Name = "conclave control" };
        _thread.Start();
    }

    /// <summary>Where it listens.</summary>
    public string SocketPath => _folder.SocketPath;

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _folder.Dispose();
        _socket.Dispose();
        _thread.Join();
    }

    private void Listen()
    {
        while (true)
        {
            Socket accepted;
            try
            {
                accepted = _socket.Accept();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (!_disposed)
                {
                    Fail(e);
                }

                return;
            }

            new Thread(() => Serve(accepted)) { IsBackground = true, Name = "conclave control" }.Start();
        }
    }

    private void Fail(Exception e)
    {
        _failed($"the launcher can let no more ranks connect: {OpenFileLimit.Explain(e) ?? e.Message}");

        // Those that wait to be let in would wait for ever.
        _socket.Dispose();
    }

    private void Serve(Socket accepted)
    {
        using ControlChannel channel = new(accepted);
        try
        {
            accepted.ReceiveTimeout = FirstMessageTimeoutMilliseconds;
            if (channel.TryReceive(out ControlFrame first))
            {
                accepted.ReceiveTimeout = 0;
                _serve(channel, first);
            }
        }
        catch (ControlException e)
        {
            Refuse(channel, $"somebody at the control channel {e.Message}, and was refused");
        }
        catch (IOException)
        {
            // Whoever it was has gone.
        }
    }

    private void Refuse(ControlChannel channel, string why)
    {
        _log(why);
        try
        {
            channel.Send(ControlKind.Abort, Encoding.UTF8.GetBytes(why));
        }
        catch (IOException)
        {
            // It has gone.
        }
    }
}
