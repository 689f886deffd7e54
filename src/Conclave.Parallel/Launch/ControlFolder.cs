using System.Net.Sockets;
using System.Text;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>
/// Where the socket of a control channel lies: a temporary folder that only this user can enter. What launchers that were killed have left is removed by the next one. It is told
/// by nobody listening, which holds for every user and PID namespace; so a socket has its name only while somebody listens. A folder of the same name in /dev/shm goes with it: there ranks
/// of one host make the files that they share, and one that is killed before it has unlinked its own leaves it to the launcher.
/// </summary>
internal sealed class ControlFolder : IDisposable
{
    private const string Prefix = "conclave-launch-";

    // What CreateTempSubdirectory puts behind the prefix.
    private const string RandomName = "??????";
    private const string SocketName = "control";
    private const string NameBefore = "new";
    private const int MostPathBytes = 107;
    private const string Memory = "/dev/shm";

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

    /// <summary>Makes the folder for files that ranks share in memory.</summary>
    /// <param name="socketPath">The launch's socket.</param>
    /// <returns>Its path; null where there can be none.</returns>
    public static string? MakeMemory(string socketPath)
    {
        string name = Path.GetFileName(Path.GetDirectoryName(socketPath)!);
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Memory) || !name.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return null;
        }

        string path = Path.Combine(Memory, name);
        try
        {
            Directory.CreateDirectory(path);

            // Refused where another user was faster with the name.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What the ranks lack then, UCX says.
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _folder.Delete(recursive: true);
        RemoveMemory(_folder);
    }

    private static void RemoveMemory(DirectoryInfo folder)
    {
        DirectoryInfo memory = new(Path.Combine(Memory, folder.Name));
        try
        {
            if (memory.Exists && memory.LinkTarget is null)
            {
                memory.Delete(recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another user has the name, or ranks of a launcher that was killed are still about to end.
        }
    }

    private static void RemoveAbandoned()
    {
        try
        {
            foreach (DirectoryInfo folder in new DirectoryInfo(Path.GetTempPath()).EnumerateDirectories(Prefix + RandomName))
            {
                string path = Path.Combine(folder.FullName, SocketName);
                if (folder.LinkTarget is null && File.Exists(path) && !IsListening(path))
                {
                    RemoveMemory(folder);
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
