using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Conclave.EndToEnd.Tests;

/// <summary>HTTP in the network of another process, which may be a namespace of its own (scripts/hosts).</summary>
internal static partial class ProcessNetwork
{
    private const int NetworkNamespace = 0x40000000;

    /// <summary>A client whose connections are made where the process is.</summary>
    public static HttpClient Client(Uri address, int process)
    {
        SocketsHttpHandler handler = new() { ConnectCallback = async (_, _) => await Connect(address, process) };
        return new HttpClient(handler) { BaseAddress = address };
    }

    // A socket is where the thread was that made it. So a thread of its own enters the namespace, and ends there.
    private static Task<NetworkStream> Connect(Uri address, int process) => Task.Factory.StartNew(
        () =>
        {
            using SafeFileHandle network = File.OpenHandle($"/proc/{process}/ns/net", share: FileShare.ReadWrite);
            Assert.True(Enter(network, NetworkNamespace) == 0, $"the network of process {process} cannot be entered: {Marshal.GetLastPInvokeErrorMessage()}");
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(address.Host, address.Port);
            return new NetworkStream(socket, ownsSocket: true);
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int Enter(SafeFileHandle space, int kind);
}
