using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.TensorParallel;
using Conclave.Parallel.Tests.Exchange;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;
using Conclave.Transport.Tests;
using CsCheck;

namespace Conclave.Parallel.Tests.TensorParallel;

/// <summary>The gather of a group over a transport.</summary>
public sealed class RankGatherTests
{
    private const int Columns = 4;

    [Fact]
    public void AllRanksGetAllPartsWhateverTheirShapesAndMessages() =>
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                int ranks = random.Next(1, 7);
                TransportOptions options = new() { Credits = random.Next(1, 4), MaxMessageBytes = random.Next(sizeof(float), 100) };
                GatherCase[] calls = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => GatherCase.Random(random, ranks))];
                InProcessWorld.Run(Topology.Even(ranks, 1), options, seed, transport =>
                {
                    RankGather gather = new(transport, null);
                    for (int call = 0; call < calls.Length; call++)
                    {
                        calls[call].Run(gather, transport.Rank, call);
                    }
                });
            },
            iter: 200,
            threads: 1);

    [Theory]
    [InlineData(2, 1, 64, 1)]
    [InlineData(3, 2, 17, 2)]
    [InlineData(4, 8, 4096, 3)]
    public void OverUcxToo(int ranks, int credits, int messageBytes, int seed)
    {
        Random random = new(seed);
        GatherCase[] calls = [.. Enumerable.Range(0, 60).Select(_ => GatherCase.Random(random, ranks))];
        using UcxWorld world = new(ranks, new TransportOptions { Credits = credits, MaxMessageBytes = messageBytes });
        InProcessWorld.Run(world.Ranks, transport =>
        {
            RankGather gather = new(transport, null);
            for (int call = 0; call < calls.Length; call++)
            {
                calls[call].Run(gather, transport.Rank, call);
            }
        });
    }

    [Fact]
    public void OneDamagedMessageNeitherHangsNorBreaksAnybody()
    {
        DamagedWorlds worlds = new();
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                int ranks = random.Next(2, 5);
                int liar = random.Next(ranks);
                int damaged = random.Next(20);
                TransportOptions options = new() { Credits = random.Next(1, 4), MaxMessageBytes = random.Next(sizeof(float), 100) };
                GatherCase[] calls = [.. Enumerable.Range(0, 6).Select(_ => GatherCase.Random(random, ranks))];
                worlds.Run(() => InProcessWorld.Run(Topology.Even(ranks, 1), options, seed, transport =>
                {
                    RankGather gather = new(transport.Rank == liar ? new DamagingTransport(transport, damaged, new Random(seed)) : transport, null);
                    for (int call = 0; call < calls.Length; call++)
                    {
                        calls[call].Run(gather, transport.Rank, call, expectElements: false);
                    }
                }));
            },
            iter: 150,
            threads: 1);

        // About 115 and 45: damaged elements are as good as others.
        Assert.True(worlds is { Damaged: > 70, Refused: > 15 }, $"{worlds.Damaged} of 150 were damaged and {worlds.Refused} refused");
    }

    [Fact]
    public void WhoWaitsCarriesTheExchangeOn()
    {
        // The peer cannot come before the exchange has gone on.
        using ManualResetEventSlim gone = new();
        InProcessWorld.Run(Topology.Even(2, 1), new TransportOptions(), 0, transport =>
        {
            if (transport.Rank == 1)
            {
                Assert.True(gone.Wait(TimeSpan.FromSeconds(30)));
            }

            GatherRows(transport, 2, transport.Rank == 0 ? new SignallingExchange(gone) : null);
        });
    }

    [Fact]
    public void NothingIsAllocatedForACall()
    {
        long allocated = 0;
        InProcessWorld.Run(Topology.Even(2, 1), new TransportOptions { Credits = 2, MaxMessageBytes = 64 }, 0, transport =>
        {
            RankGather gather = new(transport, null);
            using NativeBuffer memory = NativeBuffer.ForF32(40, Columns, out TensorView matrix);
            TensorView[] parts = [matrix.SliceRows(0, 20), matrix.SliceRows(20, 20)];
            for (int call = 0; call < 100; call++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                gather.Gather(parts);

                // In the first calls messages are held for the first time.
                Interlocked.Add(ref allocated, call < 50 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before);
            }
        });
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void APeerThatLeavesIsNamed()
    {
        using InProcessFabric fabric = new(Topology.Even(3, 1), new TransportOptions());
        fabric[1].Dispose();
        PeerException left = Assert.Throws<PeerException>(() => GatherRows(fabric[0], 3));
        Assert.Equal(1, left.Rank);
        Assert.Equal("rank 1 closed its transport", left.Message);
    }

    [Fact]
    public void APeerMayLeaveWhenItHasDoneItsPart()
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), new TransportOptions());
        Thread peer = new(() =>
        {
            GatherRows(fabric[1], 2);
            fabric[1].Dispose();
        });
        peer.Start();
        GatherRows(fabric[0], 2);
        peer.Join();
    }

    [Theory]
    [InlineData(1UL, 16, "sent a message (GatherTag { Call = 0, Message = 1 }) of a gather where GatherTag { Call = 0, Message = 0 } is next")]
    [InlineData(1UL << 32, 16, "sent a message (GatherTag { Call = 1, Message = 0 }) of a gather where GatherTag { Call = 0, Message = 0 } is next")]
    [InlineData(0UL, 12, "sent 12 bytes of a gather where 16 are next")]
    [InlineData(0UL, 20, "sent 20 bytes of a gather where 16 are next")]
    [InlineData(0UL, 0, "sent 0 bytes of a gather where 16 are next")]
    public void ALieIsRefusedWithTheLiarsNumber(ulong tag, int bytes, string complaint)
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), new TransportOptions());
        Assert.True(fabric[1].TrySend(0, tag, new NativeSlice(fabric[1].Register(bytes), 0, bytes)));
        PeerException refused = Assert.Throws<PeerException>(() => GatherRows(fabric[0], 2));
        Assert.Equal(1, refused.Rank);
        Assert.Equal($"rank 1 {complaint}", refused.Message);
    }

    [Fact]
    public unsafe void PartsThatCannotBeAreRefused()
    {
        using InProcessFabric fabric = new(Topology.Even(2, 1), new TransportOptions());
        Assert.Throws<ArgumentException>(() => GatherRows(fabric[0], 3));
        Assert.Throws<ArgumentException>(() => new RankGather(fabric[0], null).Gather([default, new(null, ElementFormat.BF16, 0, 0)]));
        using InProcessFabric narrow = new(Topology.Even(2, 1), new TransportOptions { MaxMessageBytes = 3 });
        Assert.Throws<ArgumentException>(() => new RankGather(narrow[0], null));
    }

    /// <summary>A call in which each rank has one row.</summary>
    private static void GatherRows(ITransport transport, int ranks, IExpertExchange? exchange = null)
    {
        using NativeBuffer memory = NativeBuffer.ForF32(ranks, Columns, out TensorView matrix);
        new RankGather(transport, exchange).Gather([.. Enumerable.Range(0, ranks).Select(rank => matrix.SliceRows(rank, 1))]);
    }

    /// <summary>Only goes on.</summary>
    private sealed class SignallingExchange(ManualResetEventSlim gone) : IExpertExchange
    {
        public ExchangeSlot CreateSlot(int maxTokens) => throw new NotSupportedException();

        public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing) => throw new NotSupportedException();

        public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input) => throw new NotSupportedException();

        public void BeginCombine(ExchangeSlot slot, TensorView outputs) => throw new NotSupportedException();

        public void FinishCombine(ExchangeSlot slot, TensorView destination) => throw new NotSupportedException();

        public void Progress() => gone.Set();
    }
}
