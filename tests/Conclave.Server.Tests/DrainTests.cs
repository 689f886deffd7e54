using System.Net.Sockets;
using System.Text;
using Conclave.Engine;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>Who does not go on does not hold up a server that stops.</summary>
public sealed class DrainTests
{
    // Less than the 30 s that a host waits by itself.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ABodyThatWasSentHalfIsNotWaitedFor()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions { Threads = 1 });
        using InferenceEngine engine = new(model, new EngineOptions());
        await using ConclaveServer server = await ConclaveServer.StartAsync(
            model, engine, new ServerOptions { Port = 0, ModelName = "fable", LastReads = TimeSpan.FromSeconds(0.5) });
        using TcpClient client = new();
        await client.ConnectAsync(server.Address.Host, server.Address.Port, Stop);
        await using NetworkStream stream = client.GetStream();
        string head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head), Stop);

        // Where the server asks for the body, it reads it.
        byte[] answer = new byte[256];
        int read = await stream.ReadAsync(answer, Stop);
        Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(answer, 0, read), StringComparison.Ordinal);
        await stream.WriteAsync("{\"prompt\": "u8.ToArray(), Stop);

        await server.DrainAsync(Stop).WaitAsync(s_patience, Stop);
        try
        {
            while (await stream.ReadAsync(answer, Stop) > 0)
            {
            }
        }
        catch (IOException)
        {
            // A connection that is reset has ended too.
        }
    }
}
