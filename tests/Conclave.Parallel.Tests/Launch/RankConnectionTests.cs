using System.Net.Sockets;
using Conclave.Parallel.Launch;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What a rank makes of a coordinator that lies: it names it, and tells it.</summary>
public sealed class RankConnectionTests : IDisposable
{
    private static readonly WorldPlan Plan = LaunchedEngine.Plan(2, 1);

    private readonly ControlFolder _folder = new();
    private readonly Socket _listener;

    public RankConnectionTests() => _listener = _folder.Listen(1);

    [Fact]
    public async Task A_first_message_that_cannot_be_is_the_coordinators_mistake()
    {
        await AssertOpenFails(ControlKind.Ready, [], "the coordinator sent Ready first");
        await AssertOpenFails(ControlKind.Welcome, [1, 0, 0, 0], "the coordinator sent Welcome that ends too early");
        await AssertOpenFails(ControlKind.Welcome, (Plan with { DataParallel = 2, TensorParallel = 1 }).Write().Int32(0).Written.ToArray(), "the coordinator sent Welcome with 4 bytes too many");
        await AssertOpenFails(ControlKind.Abort, "rank 1 failed: no"u8.ToArray(), "rank 1 failed: no");
    }

    [Fact]
    public async Task A_message_at_the_wrong_time_is_the_coordinators_mistake() =>
        Assert.Equal("the coordinator sent Start where Open or End is expected", await Follow(channel => channel.Send(ControlKind.Start)));

    [Fact]
    public async Task A_model_that_cannot_be_is_the_coordinators_mistake() =>
        Assert.Equal("the coordinator sent Open that ends too early", await Follow(channel => channel.Send(ControlKind.Open, [1, 0, 0])));

    [Fact]
    public async Task Loads_that_cannot_be_are_the_coordinators_mistake() =>
        Assert.Equal("the coordinator sent Loads with 8 bytes too many", await Follow(channel => channel.Send(ControlKind.Loads, new byte[8])));

    [Fact]
    public async Task A_step_that_cannot_be_is_the_coordinators_mistake() =>
        Assert.Equal("the coordinator sent Step with tokens 9; 0 to 8 are possible", await Follow(channel =>
        {
            channel.Send(ControlKind.Open, new ModelOrder(Repository.Fable, "reference", 1, MaxTokens: 8, 1, ElementFormat.F32, 0).Write().Written);
            AssertNext(ControlKind.Address, channel);
            channel.Send(ControlKind.Addresses);
            AssertNext(ControlKind.Ready, channel);
            channel.Send(ControlKind.Step, new ControlWriter().Int32(9).Written);
        }));

    public void Dispose()
    {
        _folder.Dispose();
        _listener.Dispose();
    }

    private static ControlFrame AssertNext(ControlKind kind, ControlChannel channel)
    {
        ControlFrame frame;
        do
        {
            Assert.True(channel.TryReceive(out frame));
        }
        while (frame.Kind == ControlKind.Heartbeat);
        Assert.Equal(kind, frame.Kind);
        return frame;
    }

    private async Task AssertOpenFails(ControlKind kind, byte[] body, string cause)
    {
        Task<RankConnection> opening = Task.Run(() => RankConnection.Open(_folder.SocketPath, 1, static () => { }));
        using ControlChannel channel = Accept();
        channel.Send(kind, body);
        Assert.Equal(cause, (await Assert.ThrowsAsync<RankFailedException>(() => opening)).Message);
    }

    /// <summary>What rank 1 fails with, and tells.</summary>
    private async Task<string> Follow(Action<ControlChannel> send)
    {
        using InProcessFabric fabric = new(Plan.Topology, WorldPlan.Transport);
        Task following = Task.Run(() =>
        {
            using RankConnection connection = RankConnection.Open(_folder.SocketPath, 1, static () => { });
            RankFollower.Run(connection, new RankEndpoints(fabric[1], null));
        });
        using ControlChannel channel = Accept();
        channel.Send(ControlKind.Welcome, Plan.Write().Written);
        send(channel);
        ControlFrame frame = AssertNext(ControlKind.Failed, channel);
        ControlReader told = new(frame.Kind, frame.Body);
        Assert.Equal(-1, told.Int32("a blamed rank", -1, 1));
        string cause = told.Text("a message", frame.Body.Length);
        channel.Close();
        Assert.Equal(cause, (await Assert.ThrowsAsync<RankFailedException>(() => following)).Message);
        return cause;
    }

    /// <summary>The connection of a rank that has presented itself.</summary>
    private ControlChannel Accept()
    {
        ControlChannel channel = new(_listener.Accept());
        AssertNext(ControlKind.Hello, channel);
        return channel;
    }
}
