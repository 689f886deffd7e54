using System.Net.Sockets;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>What goes over the control channel comes back as it was, and nothing else is believed.</summary>
public sealed class ControlMessageTests
{
    private static readonly RankHello Hello = new(2, ["reference", "avx2"]);
    private static readonly WorldPlan Plan = new(7, 3, ExchangeOptions.Fast(PayloadFormat.BF16), 2)
    {
        InstructionSet = "avx2", DataParallel = 3, TensorParallel = 2, DivideFrom = 16, Slots = 70, Balancing = new BalancerOptions { WindowTokens = 100, MoveBudget = 8 },
    };

    private static readonly ModelOrder Order = new("/models/großes modell", "reference", 4, 512, 9, ElementFormat.BF16, 120);
    private static readonly RankReport Report = new(new RankMemory(5, 3), TimeSpan.FromSeconds(1.5), [7, 8], [[new(1, 2, 3), new(4, 5, 6), default], [default, default, new(7, 8, 9)]],
        [new(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1)), default])
    {
        Balance = new BalanceReport(3, 1_000_000, 2, 1.25, 1.5, 4, "no room"), GatherBytes = 11, Beside = [1, 2, 3],
    };

    [Fact]
    public void Messages_come_back()
    {
        RankHello hello = RankHello.Read(Frame(ControlKind.Hello, Hello.Write()), 3);
        Assert.Equal((2, "reference avx2"), (hello.Rank, string.Join(' ', hello.InstructionSets)));
        Assert.Equal(Plan.ToString(), WorldPlan.Read(Frame(ControlKind.Welcome, Plan.Write())).ToString());
        Assert.Equal(Order, ModelOrder.Read(Frame(ControlKind.Open, Order.Write())));
        RankReport report = RankReport.Read(Frame(ControlKind.Report, Report.Write()));
        Assert.Equal(Report.Memory, report.Memory);
        Assert.Equal(Report.Waited, report.Waited);
        Assert.Equal(Report.Rows, report.Rows);
        Assert.Equal(Report.Links, report.Links);
        Assert.Equal(Report.Times, report.Times);
        Assert.Equal(Report.Beside, report.Beside);
        Assert.Equal((Report.Balance, Report.GatherBytes), (report.Balance, report.GatherBytes));
        Assert.Null(RankReport.Read(Frame(ControlKind.Report, (Report with { Balance = null }).Write())).Balance);
        BalanceReport smooth = Report.Balance!.Value with { Abandoned = 0, Failure = null };
        Assert.Equal(smooth, RankReport.Read(Frame(ControlKind.Report, (Report with { Balance = smooth }).Write())).Balance);
        byte[][] addresses = [[1, 2, 3], [], [4]];
        Assert.Equal(addresses, Addresses.Read(Frame(ControlKind.Addresses, Addresses.Write(addresses)), 3));
    }

    [Fact]
    public void The_common_instruction_set_is_the_best_that_all_have()
    {
        RankHello best = new(0, ["reference", "avx2", "avx512"]);
        Assert.Equal("avx512", RankHello.Common([best, best]));
        Assert.Equal("avx2", RankHello.Common([best, Hello]));
        Assert.Equal("reference", RankHello.Common([best, new RankHello(1, ["reference", "neon"])]));
    }

    [Fact]
    public void Damaged_messages_are_refused_or_are_other_messages()
    {
        (ControlKind Kind, byte[] Body)[] messages =
        [
            (ControlKind.Hello, Hello.Write().Written.ToArray()), (ControlKind.Welcome, Plan.Write().Written.ToArray()), (ControlKind.Open, Order.Write().Written.ToArray()),
            (ControlKind.Report, Report.Write().Written.ToArray()), (ControlKind.Addresses, Addresses.Write([[1, 2], [3], []]).Written.ToArray()),
        ];
        Gen.Select(Gen.Int[0, messages.Length - 1], Gen.Int[0, 200], Gen.Byte, Gen.Int[-8, 8]).Sample((which, at, value, longer) =>
        {
            byte[] body = [.. messages[which].Body];
            body[at % body.Length] = value;
            Array.Resize(ref body, Math.Max(0, body.Length + longer));
            try
            {
                Read(new ControlFrame(messages[which].Kind, body));
            }
            catch (ControlException e)
            {
                Assert.StartsWith("sent ", e.Message);
            }
        });
    }

    [Fact]
    public void Random_bytes_are_no_messages()
    {
        Gen.Byte.Array[0, 64].Sample(bytes =>
        {
            (Socket socket, ControlChannel channel) = Pair();
            using (channel)
            {
                socket.Send(bytes);
                socket.Dispose();
                try
                {
                    while (channel.TryReceive(out ControlFrame frame))
                    {
                        Assert.True(frame.Body.Length <= ControlFrame.MostBytes(frame.Kind));
                    }
                }
                catch (ControlException e)
                {
                    Assert.Matches("^sent a message of (kind [0-9]+, which there is not|[0-9]+ bytes; [A-Za-z]+ has at most [0-9]+)$", e.Message);
                }
            }
        });
    }

    [Fact]
    public void Steps_are_received_without_allocation_and_stay_until_they_are_released()
    {
        (Socket socket, ControlChannel receiver) = Pair();
        using ControlChannel sender = new(socket);
        using (receiver)
        {
            byte[] body = new byte[1000];
            long allocated = 0;
            for (int step = 0; step < 200; step++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                ControlFrame frame = Pass(step);
                bool isWhole = frame.Body.SequenceEqual(body.AsSpan(0, 600 + step));
                frame.Release();
                allocated += step < 20 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(isWhole);
            }

            Assert.Equal(0, allocated);
            ControlFrame[] held = [.. Enumerable.Range(0, 20).Select(Pass)];
            Assert.All(held, (frame, step) => Assert.True(frame.Body.Length == 600 + step && !frame.Body.ContainsAnyExcept((byte)step)));

            ControlFrame Pass(int step)
            {
                body.AsSpan().Fill((byte)step);
                sender.Send(ControlKind.Step, body.AsSpan(0, 600 + step));
                Assert.True(receiver.TryReceive(out ControlFrame frame));
                return frame;
            }
        }
    }

    private static ControlFrame Frame(ControlKind kind, ControlWriter writer) => new(kind, writer.Written.ToArray());

    private static void Read(ControlFrame frame)
    {
        switch (frame.Kind)
        {
            case ControlKind.Hello:
                Assert.InRange(RankHello.Read(frame, 3).Rank, 0, 2);
                break;
            case ControlKind.Welcome:
                Assert.InRange(WorldPlan.Read(frame).Ranks, 1, WorldPlan.MostRanks);
                break;
            case ControlKind.Open:
                Assert.InRange(ModelOrder.Read(frame).Threads, 1, 1024);
                break;
            case ControlKind.Report:
                RankReport.Read(frame);
                break;
            default:
                Assert.Equal(3, Addresses.Read(frame, 3).Length);
                break;
        }
    }

    private static (Socket Socket, ControlChannel Channel) Pair()
    {
        string path = Path.Combine(Path.GetTempPath(), $"conclave-test-{Guid.NewGuid():n}");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        ControlChannel channel = ControlChannel.Connect(path);
        Socket accepted = listener.Accept();
        File.Delete(path);
        return (accepted, channel);
    }
}
