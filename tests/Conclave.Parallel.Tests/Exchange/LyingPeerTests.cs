using System.Runtime.InteropServices;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;
using CsCheck;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>What a peer sends is checked before it is used: a lie ends the exchange with the liar's number, not with wrong memory or a hang.</summary>
public sealed class LyingPeerTests
{
    private const int Columns = 4;
    private const int MaxTokens = 3;
    private const int ExpertsPerToken = 2;

    // Hosts {0, 1} and {2}; experts 0, 1 on rank 0, 2, 3 on rank 1, 4, 5 on rank 2.
    private static readonly Topology World = new([0, 0, 1]);
    private static readonly SlotMap Slots = SlotMap.Even(3, 6);

    private static readonly ExchangeOptions Reduced = new(ExchangePath.TwoHop, PayloadFormat.F32, PayloadFormat.F32, CombineReduction.InHost);

    public static TheoryData<string, string> Lies() => new()
    {
        { "slot", "of an exchange that is not under way" },
        { "step", "of an exchange that is not under way" },
        { "epoch", "of another epoch" },
        { "kind", "that nobody waits for" },
        { "side", "that nobody waits for" },
        { "unasked", "that nobody waits for" },
        { "twice", "that nobody waits for" },
        { "layer", "of layer 7" },
        { "other layer", "of layer 1" },
        { "cut", "cut off" },
        { "many slots", "cut off" },
        { "token", "token 3" },
        { "negative token", "token -1" },
        { "token again", "token 0" },
        { "foreign token", "of rank 1" },
        { "no rank", "of rank 999" },
        { "foreign expert", "for experts that it cannot have here" },
        { "no expert", "for experts that it cannot have here" },
        { "no experts", "for experts that it cannot have here" },
        { "expert twice", "for experts that it cannot have here" },
        { "falling experts", "for experts that it cannot have here" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void ALieIsRefusedWithTheLiarsNumber(string lie, string complaint)
    {
        using InProcessFabric fabric = new(World, new TransportOptions());
        using WorkerTeam team = new(1);
        RankedExchange exchange = new(fabric[0], World, [Slots, Slots], Reduced, Columns, ExpertsPerToken, KernelSet.Supported[0], team);
        using ExchangeSlot slot = exchange.CreateSlot(MaxTokens);
        exchange.BeginDispatch(slot, 0, default, default);
        foreach ((MessageTag tag, byte[] message) in Messages(lie))
        {
            Send(fabric[2], tag, message);
        }

        PeerException refused = Assert.Throws<PeerException>(() => { exchange.FinishDispatch(slot, out _); });
        Assert.Equal(2, refused.Rank);
        Assert.StartsWith("rank 2 ", refused.Message);
        Assert.Contains(complaint, refused.Message);
    }

    [Fact]
    public void WhoReturnsTooMuchOrTooLittleIsRefused()
    {
        foreach ((int bytes, bool last, string complaint) in new[]
        {
            (15, false, "which are not rows of 16"), (32, false, "more than the outputs of 1 tokens"), (0, true, "0 of 1 tokens"),
        })
        {
            using InProcessFabric fabric = new(World, new TransportOptions());
            using WorkerTeam team = new(1);
            RankedExchange exchange = new(fabric[0], World, [Slots], Reduced, Columns, ExpertsPerToken, KernelSet.Supported[0], team);
            using ExchangeSlot slot = exchange.CreateSlot(MaxTokens);
            PeerException refused = Assert.Throws<PeerException>(() => SendToken(exchange, slot, expert: 4, () =>
                Send(fabric[2], new MessageTag(MessageKind.Sum, last, 0, 0, 0, 0), new byte[bytes])));
            Assert.Equal(2, refused.Rank);
            Assert.Contains(complaint, refused.Message);
        }
    }

    [Fact]
    public void WhoEndsItsSumsBeforeItCanHaveAllTokensIsRefused()
    {
        using InProcessFabric fabric = new(World, new TransportOptions());
        using WorkerTeam team = new(1);
        RankedExchange exchange = new(fabric[0], World, [Slots], Reduced, Columns, ExpertsPerToken, KernelSet.Supported[0], team);
        using ExchangeSlot slot = exchange.CreateSlot(MaxTokens);
        PeerException refused = Assert.Throws<PeerException>(() => SendToken(exchange, slot, expert: 4, () =>
        {
            Send(fabric[1], new MessageTag(MessageKind.Partial, IsLast: true, 0, 0, 0, 0), []);

            // It may still bring tokens for rank 1; that it leaves ends a wait for ever.
            fabric[2].Dispose();
        }));
        Assert.Equal("rank 1 sent fewer sums than it was sent tokens", refused.Message);
    }

    [Fact]
    public void APeerThatLeavesIsNamed()
    {
        using InProcessFabric fabric = new(World, new TransportOptions());
        using WorkerTeam team = new(1);
        RankedExchange exchange = new(fabric[0], World, [Slots], Reduced, Columns, ExpertsPerToken, KernelSet.Supported[0], team);
        using ExchangeSlot slot = exchange.CreateSlot(MaxTokens);
        PeerException left = Assert.Throws<PeerException>(() => SendToken(exchange, slot, expert: 2, fabric[1].Dispose));
        Assert.Equal(1, left.Rank);
        Assert.Equal("rank 1 closed its transport", left.Message);
    }

    [Fact]
    public void OneDamagedMessageNeitherHangsNorBreaksAnybody()
    {
        DamagedWorlds worlds = new();
        Gen.Select(Gen.Int, Gen.Bool).Sample(
            (seed, exact) =>
            {
                ExchangeCase world = ExchangeCase.Random(seed, exact ? ExchangeOptions.Exact : ExchangeOptions.Fast(PayloadFormat.BF16), maxWorld: 6);
                Random random = new(seed);
                int liar = random.Next(world.Topology.World);
                int damaged = random.Next(40);
                worlds.Run(() => InProcessWorld.Run(world, seed, wrap: transport =>
                    transport.Rank == liar ? new DamagingTransport(transport, damaged, new Random(seed)) : transport, expectRows: false));
            },
            iter: 150,
            threads: 1);

        // About 110 and 85.
        Assert.True(worlds is { Damaged: > 70, Refused: > 50 }, $"{worlds.Damaged} of 150 were damaged and {worlds.Refused} refused");
    }

    private static unsafe void SendToken(RankedExchange exchange, ExchangeSlot slot, int expert, Action then)
    {
        float* row = stackalloc float[Columns];
        int* experts = stackalloc int[] { expert, -1 };
        float* weights = stackalloc float[] { 1, 0 };
        exchange.BeginDispatch(slot, 0, new TensorView(row, ElementFormat.F32, 1, Columns), new Routing(experts, weights, 1, ExpertsPerToken));
        then();
        exchange.FinishDispatch(slot, out _);
    }

    private static void Send(ITransport liar, MessageTag tag, byte[] message)
    {
        NativeBuffer memory = liar.Register(message.Length);
        message.CopyTo(new NativeSlice(memory, 0, message.Length).Span);
        Assert.True(liar.TrySend(0, tag.Encode(), new NativeSlice(memory, 0, message.Length)));
    }

    private static IEnumerable<(MessageTag Tag, byte[] Message)> Messages(string lie)
    {
        MessageTag cross = new(MessageKind.Cross, IsLast: false, Slot: 0, Layer: 0, Epoch: 0, Step: 0);
        byte[] honest = Record(0, 2, 0, 1);
        return lie switch
        {
            "slot" => [(cross with { Slot = 1 }, honest)],
            "step" => [(cross with { Step = 2 }, honest)],
            "epoch" => [(cross with { Epoch = 1 }, honest)],
            "kind" => [(cross with { Kind = (MessageKind)5 }, honest)],
            "side" => [(cross with { Kind = MessageKind.Side }, honest)],
            "unasked" => [(cross with { Kind = MessageKind.Deliver }, honest)],
            "twice" => [(cross with { IsLast = true }, honest), (cross, Record(1, 2, 0))],
            "layer" => [(cross with { Layer = 7 }, honest)],
            "other layer" => [(cross with { Layer = 1 }, honest)],
            "cut" => [(cross, honest[..^1])],
            "many slots" => [(cross, [.. honest[..6], 0xFF, 0xFF, .. honest[8..]])],
            "token" => [(cross, Record(MaxTokens, 2, 0))],
            "negative token" => [(cross, Record(-1, 2, 0))],
            "token again" => [(cross, [.. honest, .. honest])],
            "foreign token" => [(cross, Record(0, 1, 0))],
            "no rank" => [(cross, Record(0, 999, 0))],
            "foreign expert" => [(cross, Record(0, 2, 4))],
            "no expert" => [(cross, Record(0, 2, 6))],
            "no experts" => [(cross, Record(0, 2))],
            "expert twice" => [(cross, Record(0, 2, 1, 1))],
            "falling experts" => [(cross, Record(0, 2, 2, 1))],
            _ => throw new ArgumentOutOfRangeException(nameof(lie)),
        };
    }

    private static byte[] Record(int token, int source, params ushort[] slots)
    {
        byte[] payload = MemoryMarshal.AsBytes<float>([1, 2, 3, 4]).ToArray();
        byte[] record = new byte[TokenRecord.Bytes(slots.Length, weighted: true, payload.Length)];
        TokenRecord.Write(record, token, source, slots.Length, weighted: true, payload, out Span<ushort> slotFields, out _);
        slots.CopyTo(slotFields);
        return record;
    }
}
