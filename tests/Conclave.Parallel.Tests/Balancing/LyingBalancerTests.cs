using Conclave.Kernels;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;
using Conclave.Primitives;
using Conclave.Transport;
using Conclave.Transport.InProcess;

namespace Conclave.Parallel.Tests.Balancing;

/// <summary>What ranks say about placements is checked like what they send to experts.</summary>
public sealed class LyingBalancerTests
{
    private static readonly PlacementShape Shape = new(experts: 4, slots: 6, groups: 1, hosts: 1, ranks: 3);
    private static readonly ulong SideTag = new MessageTag(MessageKind.Side, IsLast: true, 0, 0, 0, 0).Encode();

    public static TheoryData<int, int, byte[]> Lies() => new()
    {
        // To the leader: too short, of no kind, what only a leader says, answers to nothing, counts that are cut off, and such that lie outside.
        { 1, 0, new byte[15] },
        { 1, 0, Message((BalancerMessageKind)9, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Proposal, 1, 0, 1, 0) },
        { 1, 0, Message(BalancerMessageKind.Ready, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Failed, 1, 0) },
        { 1, 0, Message(BalancerMessageKind.Acknowledge, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Counts, 0, 0, 1, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Counts, 0, 7, 1, 0, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Counts, 0, -1, 1, 0, 0, 0) },
        { 1, 0, Message(BalancerMessageKind.Counts, 0, long.MaxValue, 1, 0, 0, 0) },

        // From the leader: what only others say, nothing to commit or cancel, proposals with holes, too long, or without a number.
        { 0, 1, Message(BalancerMessageKind.Counts, 0, 0, 1, 0, 0, 0) },
        { 0, 1, Message(BalancerMessageKind.Commit, 0, 100) },
        { 0, 1, Message(BalancerMessageKind.Commit, 1, 100) },
        { 0, 1, Message(BalancerMessageKind.Cancel, 0, 0) },
        { 0, 1, Message(BalancerMessageKind.Proposal, 1, 1, 1, 0) },
        { 0, 1, Message(BalancerMessageKind.Proposal, 1, 0, 1) },
        { 0, 1, Message(BalancerMessageKind.Proposal, 1, 0) },
        { 0, 1, Message(BalancerMessageKind.Proposal, 0, 0, 1, 0) },
        { 0, 1, Message(BalancerMessageKind.Proposal, 1, 0, new byte[14]) },

        // From somebody who is not the leader.
        { 2, 1, Message(BalancerMessageKind.Proposal, 1, 0, 1, 0) },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void ALieIsRefusedWithTheLiarsNumber(int liar, int victim, byte[] message)
    {
        using World world = new(victim);
        world.Send(liar, message);
        PeerException refused = Assert.Throws<PeerException>(world.Balancer.BetweenSteps);
        Assert.Equal(liar, refused.Rank);
    }

    [Theory]
    [InlineData("4, which is no expert", new byte[] { 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0, 0 }, "expert 4")]
    [InlineData("an expert without a slot", new byte[] { 0, 0, 1, 0, 2, 0, 2, 0, 1, 0, 0, 0 }, "no slot holds expert 3")]
    public void AProposalThatIsNoPlacementIsNotPrepared(string what, byte[] experts, string complaint)
    {
        Assert.NotEmpty(what);
        using World world = new(victim: 1);
        world.Send(0, Message(BalancerMessageKind.Proposal, 1, 0, experts));
        world.Balancer.BetweenSteps();
        Assert.Contains(complaint, world.Balancer.Report.Failure, StringComparison.Ordinal);
        Assert.Contains(complaint, Assert.Single(world.Warnings), StringComparison.Ordinal);
        world.Balancer.BetweenSteps();
        Assert.Equal(BalancerMessageKind.Failed, world.Answer());

        // Committing it is a lie; dropping it is not, and the next one may come.
        world.Send(0, Message(BalancerMessageKind.Cancel, 1, 0));
        world.Send(0, Message(BalancerMessageKind.Proposal, 2, 0, 0, 0, 1, 0, 2, 0, 3, 0, 1, 0, 0, 0));
        world.Balancer.BetweenSteps();
        world.Balancer.BetweenSteps();
        Assert.Equal(BalancerMessageKind.Ready, world.Answer());
        world.Send(0, Message(BalancerMessageKind.Commit, 2, 3));
        Assert.Equal(0, Assert.Throws<PeerException>(world.Balancer.BetweenSteps).Rank);
    }

    private static byte[] Message(BalancerMessageKind kind, uint proposal, long position, params byte[] numbers)
    {
        byte[] message = new byte[BalancerMessage.HeaderBytes + numbers.Length];
        numbers.CopyTo(message, BalancerMessage.WriteHeader(message, kind, proposal, position));
        return message;
    }

    /// <summary>One rank that is honest; the others say what they are told to.</summary>
    private sealed class World : IDisposable
    {
        private readonly InProcessFabric _fabric = new(Topology.Even(3, 1), new TransportOptions());
        private readonly WorkerTeam _team = new(1);
        private readonly int _victim;

        public World(int victim)
        {
            _victim = victim;
            ExpertPlacement start = ExpertPlacement.InOrder(Shape, 1);
            RankedExchange exchange = new(
                _fabric[victim], Topology.Even(3, 1), SlotMap.ByLayer(start, [true]), ExchangeOptions.Exact, 4, 2, KernelSet.Best, _team);
            Balancer = new Balancer(exchange, start, new BalancerOptions(), Warnings.Add, _ => () => { }, (_, present) => present, inBackground: false);
        }

        public Balancer Balancer { get; }

        public List<string> Warnings { get; } = [];

        public void Send(int liar, byte[] message)
        {
            NativeBuffer memory = _fabric[liar].Register(message.Length);
            message.CopyTo(new NativeSlice(memory, 0, message.Length).Span);
            Assert.True(_fabric[liar].TrySend(_victim, SideTag, new NativeSlice(memory, 0, message.Length)));
        }

        /// <summary>What the victim told the leader.</summary>
        public BalancerMessageKind Answer()
        {
            Completion[] completions = new Completion[8];
            int count = _fabric[0].Poll(completions);
            Completion received = completions[..count].Last(completion => completion.Kind == CompletionKind.Received);
            Assert.True(BalancerMessage.TryRead(received.Payload.Span, out BalancerMessage message));
            return message.Kind;
        }

        public void Dispose()
        {
            Balancer.Dispose();
            _fabric.Dispose();
            _team.Dispose();
        }
    }
}
