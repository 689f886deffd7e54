using System.Net.Sockets;
using System.Text;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>
/// Where the socket of a control channel lies: a temporary folder that only this user can enter. What launchers that were killed have left is removed by the next one. It is told
/// by nobody listening, which holds for every user and PID namespace; so a socket has its name only while somebody listens.
/// </summary>
internal sealed class ControlFolder : IDisposable
{
    private const string Prefix = "conclave-launch-";

    // What CreateTempSubdirectory puts behind the prefix.
    private const string RandomName = "??????";
    private const string SocketName = "control";
    private const string NameBefore = "new";
    private const int MostPathBytes = 107;

    private readonly DirectoryInfo _folder;

    /// <summary>Makes a folder.</summary>
    /// <exception cref="UserErrorException">Its name is too long for a socket's, or it cannot be made.</exception>
    public ControlFolder()
    {
        try
        {
            _folder = Directory.CreateTempSubdirectory(Prefix);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"TMPDIR: no folder for the ranks' socket can be made in {Path.GetTempPath()}: {e.Message} Set TMPDIR to a folder that can be written", e);
        }

        SocketPath = Path.Combine(_folder.FullName, SocketName);
        if (Encoding.UTF8.GetByteCount(SocketPath) > MostPathBytes)
        {
            Dispose();
            throw new UserErrorException($"TMPDIR: the path of a socket, {SocketPath}, may have {MostPathBytes} bytes; set TMPDIR to a shorter one");
        }

        RemoveAbandoned();
    }

    /// <summary>The socket.</summary>
    public string SocketPath { get; }

    /// <summary>Begins to listen. The socket is to be disposed after the folder.</summary>
    public Socket Listen(int backlog)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        string before = Path.Combine(_folder.FullName, NameBefore);
        socket.Bind(new UnixDomainSocketEndPoint(before));
        socket.Listen(backlog);
        File.Move(before, SocketPath);
        return socket;
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);

    private static void RemoveAbandoned()
    {
        try
        {
            foreach (DirectoryInfo folder in new DirectoryInfo(Path.GetTempPath()).EnumerateDirectories(Prefix + RandomName))
            {
                string path = Path.Combine(folder.FullName, SocketName);
                if (folder.LinkTarget is null && File.Exists(path) && !IsListening(path))
                {
                    File.Delete(path);
                    folder.Delete();
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another launch is about the same, or nobody may look here; what is left can wait for the next one.
        }
    }

    private static bool IsListening(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode != SocketError.ConnectionRefused;
        }
    }
}
