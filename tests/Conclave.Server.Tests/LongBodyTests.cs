using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Api;
using Conclave.Server.Http;
using Conclave.Testing;
using Microsoft.AspNetCore.Http;

namespace Conclave.Server.Tests;

/// <summary>Long bodies: few of them are in memory at a time, whoever sends them and however slowly, and short ones do not wait for them.</summary>
public sealed class LongBodyTests(FableFixture fixture) : IClassFixture<FableFixture>
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);
    private static readonly int Makers = Math.Max(1, Environment.ProcessorCount - 1);
    private readonly FableServer _server = fixture.Server;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ShortOnesDoNotWaitForLongOnesWhichWaitForEachOther()
    {
        PromptGate gate = new(_server.Engine, Long);
        using ManualResetEventSlim release = new();
        using CancellationTokenSource leaves = new();
        Task<bool>[] seated = await FillAsync(gate, release);
        Task<bool> waiting = gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => true, Stop);
        Task<bool> leaving = gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => true, leaves.Token);
        Assert.True(await gate.RunAsync(Sent(PromptGate.ShortBytes), _ => true, Stop));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        Assert.False(waiting.IsCompleted);
        release.Set();
        Assert.All(await Task.WhenAll([.. seated, waiting]), Assert.True);
    }

    [Fact]
    public async Task ShortOnesAreWorkedOnByThreadsOfTheirOwnAndNotAllAtOnce()
    {
        PromptGate gate = new(_server.Engine, Long);
        using ManualResetEventSlim release = new();
        int making = 0, most = 0;
        Task<bool>[] asked = [.. Enumerable.Range(0, 4 * PromptGate.MostShort).Select(_ => gate.RunAsync(Sent(20), _ => Make(), Stop))];
        while (Volatile.Read(ref making) < PromptGate.MostShort)
        {
            await Task.Delay(5, Stop);
        }

        release.Set();
        Assert.All(await Task.WhenAll(asked), Assert.True);
        Assert.Equal(PromptGate.MostShort, most);

        bool Make()
        {
            InterlockedMax(Interlocked.Increment(ref making));
            release.Wait(TimeSpan.FromMinutes(1), Stop);
            Interlocked.Decrement(ref making);
            return !Thread.CurrentThread.IsThreadPoolThread;
        }

        void InterlockedMax(int value)
        {
            for (int seen = most; seen < value; seen = most)
            {
                Interlocked.CompareExchange(ref most, value, seen);
            }
        }
    }

    [Fact]
    public async Task AsManyWaitAsMayWaitForTheEngine()
    {
        await using FableServer server = await FableServer.StartAsync(new EngineOptions { MaxRunning = 1, MaxWaiting = 0 });
        PromptGate gate = new(server.Engine, Long);
        using UnsentBody first = new(gate, Stop);
        EngineUnavailableException refused = await Assert.ThrowsAsync<EngineUnavailableException>(() => gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => true, Stop));
        Assert.Equal(EngineUnavailableReason.Full, refused.Reason);
        await first.SendRestAsync();
        Assert.True(await first.Made);
        Assert.True(await gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => true, Stop));
    }

    /// <summary>What a body takes when it is parsed is many times its size.</summary>
    [Fact]
    public async Task NoLongOneIsParsedBeforeItsTurn()
    {
        PromptGate gate = new(_server.Engine, Long);
        using ManualResetEventSlim release = new();
        Task<bool>[] seated = await FillAsync(gate, release);
        Task<bool> waiting = gate.RunAsync(Of(Encoding.UTF8.GetBytes(new string('x', PromptGate.ShortBytes + 1))), _ => true, Stop);
        Assert.False(waiting.IsCompleted);
        release.Set();
        await Assert.ThrowsAnyAsync<JsonException>(() => waiting);
        Assert.All(await Task.WhenAll(seated), Assert.True);
    }

    [Fact]
    public async Task FewAreReadAtATimeAndWhoLeavesMakesRoom()
    {
        PromptGate gate = new(_server.Engine, Long);
        using CancellationTokenSource leaves = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        UnsentBody[] seated = [.. Enumerable.Range(0, PromptGate.MostBodies).Select(i => new UnsentBody(gate, i == 0 ? leaves.Token : Stop))];
        MemoryStream next = Body(2 * PromptGate.ShortBytes);
        Task<bool> waiting = gate.RunAsync(Of(next), _ => true, Stop);
        Assert.InRange(next.Position, PromptGate.ShortBytes, PromptGate.ShortBytes + 8192);
        Assert.False(waiting.IsCompleted);
        Assert.True(await gate.RunAsync(Sent(PromptGate.ShortBytes), _ => true, Stop));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => seated[0].Made);
        Assert.True(await waiting);
        Assert.Equal(next.Length, next.Position);
        foreach (UnsentBody body in seated[1..])
        {
            await body.SendRestAsync();
            Assert.True(await body.Made);
        }

        Array.ForEach(seated, body => body.Dispose());
    }

    /// <summary>Others wait only as long for bodies that do not come as these may take.</summary>
    [Fact]
    public async Task WhoSendsTooSlowlyMakesRoomForOthers()
    {
        PromptGate gate = new(_server.Engine, TimeSpan.FromSeconds(0.2));
        UnsentBody[] seated = [.. Enumerable.Range(0, PromptGate.MostBodies).Select(_ => new UnsentBody(gate, Stop))];
        Assert.True(await gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => true, Stop));
        foreach (UnsentBody body in seated)
        {
            ApiException refused = await Assert.ThrowsAsync<ApiException>(() => body.Made);
            Assert.Equal(StatusCodes.Status408RequestTimeout, refused.Status);
            body.Dispose();
        }
    }

    [Fact]
    public async Task WhoSendsTooSlowlyIsTold()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions());
        using InferenceEngine engine = new(model, new EngineOptions());
        await using ConclaveServer server = await ConclaveServer.StartAsync(model, engine, new ServerOptions { Port = 0, ModelName = "fable", BodyTime = TimeSpan.FromSeconds(0.2) });
        using TcpClient client = new();
        await client.ConnectAsync(server.Address.Host, server.Address.Port, Stop);
        await using NetworkStream stream = client.GetStream();
        string head = $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {3 * PromptGate.ShortBytes}\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head + new string(' ', 2 * PromptGate.ShortBytes)), Stop);
        using StreamReader answer = new(stream);
        Assert.Equal("HTTP/1.1 408 Request Timeout", await answer.ReadLineAsync(Stop));
        await ReadUntilAsync(answer, "\"code\":\"timeout\"");
    }

    /// <summary>Nobody waits for the rest of a body longer than a request may take, also of a short one.</summary>
    [Fact]
    public async Task TheTimeLimitCountsWhileABodyComes()
    {
        await using FableServer server = await FableServer.StartAsync(timeout: TimeSpan.FromSeconds(0.2), key: null);
        using TcpClient client = new();
        await client.ConnectAsync(server.Http.BaseAddress!.Host, server.Http.BaseAddress.Port, Stop);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), Stop);
        using StreamReader answer = new(stream);
        Assert.Equal("HTTP/1.1 504 Gateway Timeout", await answer.ReadLineAsync(Stop));
        await ReadUntilAsync(answer, "\"code\":\"timeout\"");
    }

    [Fact]
    public async Task AByteOrderMarkIsNoPartOfABody()
    {
        PromptGate gate = new(_server.Engine, Long);
        Assert.Equal("b", await gate.RunAsync(Of(new MemoryStream([0xEF, 0xBB, 0xBF, .. "{\"a\": \"b\"}"u8])), body => body.String("a"), Stop));
    }

    /// <summary>Parsers of answers have the schemas of tools when the body is gone.</summary>
    [Fact]
    public async Task ToolsOutliveTheBody()
    {
        PromptGate gate = new(_server.Engine, Long);
        const string Tool = """{"tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}]}""";
        ChatTools tools = await gate.RunAsync(Of(new MemoryStream(Encoding.UTF8.GetBytes(Tool))), ToolsField.Read, Stop);
        Assert.Equal("""{"type": "object"}""", tools.Tools[0].Parameters!.Value.GetRawText());
    }

    private static async Task<Task<bool>[]> FillAsync(PromptGate gate, ManualResetEventSlim release)
    {
        int making = 0;
        Task<bool>[] seated = [.. Enumerable.Range(0, Makers).Select(_ => Task.Factory.StartNew(
            () => gate.RunAsync(Sent(PromptGate.ShortBytes + 1), _ => Interlocked.Increment(ref making) > 0 && release.Wait(TimeSpan.FromMinutes(1)), Stop),
            Stop, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap())];
        while (Volatile.Read(ref making) < Makers)
        {
            await Task.Delay(5, Stop);
        }

        return seated;
    }

    // Not to the end: a connection on which more was promised is reset.
    private static async Task ReadUntilAsync(StreamReader answer, string expected)
    {
        StringBuilder read = new();
        char[] buffer = new char[1024];
        while (!read.ToString().Contains(expected, StringComparison.Ordinal))
        {
            int count = await answer.ReadAsync(buffer, Stop);
            Assert.True(count > 0, $"{expected} is not in {read}");
            read.Append(buffer, 0, count);
        }
    }

    private static DefaultHttpContext Sent(int bytes) => Of(Body(bytes));

    private static MemoryStream Body(int bytes) => new(Encoding.UTF8.GetBytes("{}".PadRight(bytes)));

    private static DefaultHttpContext Of(byte[] body) => Of(new MemoryStream(body));

    private static DefaultHttpContext Of(Stream body) => new() { Request = { ContentType = "application/json", Body = body } };

    /// <summary>A request with a long body whose rest is not there yet.</summary>
    private sealed class UnsentBody : IDisposable
    {
        private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));

        public UnsentBody(PromptGate gate, CancellationToken cancellation)
        {
            _pipe.Writer.Write(Encoding.UTF8.GetBytes("{}".PadRight(PromptGate.ShortBytes + 1)));
            Assert.True(_pipe.Writer.FlushAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);
            Made = gate.RunAsync(Of(_pipe.Reader.AsStream()), _ => true, cancellation);
            Assert.False(Made.IsCompleted);
        }

        public Task<bool> Made { get; }

        public async Task SendRestAsync() => await _pipe.Writer.CompleteAsync();

        public void Dispose() => _pipe.Writer.Complete();
    }
}
