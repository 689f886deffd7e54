using System.Diagnostics;
using System.Globalization;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Transport;

namespace Conclave.ExchangeBench;

/// <summary>
/// Measures modes of the exchange on one of the ranks, all of which do the same. Computation is time without work, because the ranks share the machine's cores with the exchange.
/// </summary>
/// <param name="world">The ranks.</param>
/// <param name="tokens">Of a micro-batch.</param>
/// <param name="hidden">Numbers of a token.</param>
/// <param name="rawBytesPerSecond">What UCX alone moves between two of the hosts; 0: not measured.</param>
internal sealed class ModeBench(IMeasuredWorld world, int tokens, int hidden, double rawBytesPerSecond)
{
    private const int Experts = 256;
    private const int ExpertsPerToken = 8;
    private const int Repetitions = 5;

    // The last combine of a step has nothing to hide under; of a model's many layers that is little.
    private const int Layers = 12;

    private static readonly (string Name, ExchangeOptions Options)[] Modes =
    [
        ("flat BF16", ExchangeOptions.Flat),
        ("exact", ExchangeOptions.Exact),
        ("two hops BF16, BF16", new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost)),
        ("two hops FP8, BF16", ExchangeOptions.Fast(PayloadFormat.BF16)),
        ("two hops FP8, FP8", ExchangeOptions.Fast(PayloadFormat.E4M3)),
    ];

    private int[] _offsets = [];
    private double _crossing;
    private double _flatBytes;

    /// <summary>Measures all modes; rank 0 prints.</summary>
    public void Run()
    {
        Print($"{"mode",-22}{"ms",9}{"of flat",9}{"crossing KB",13}{"of flat",9}{"MB/s",8}{"of raw",8}{"serial ms",11}{"overlap ms",12}{"null ms",9}{"hidden",8}");
        double flat = 0;
        foreach ((string name, ExchangeOptions options) in Modes)
        {
            double alone = Time(TimeSpan.Zero, overlapped: false, options);
            flat = flat == 0 ? alone : flat;
            (double crossing, double flatBytes) = (_crossing, _flatBytes);

            // Four computations a layer and rank, together half as long again as the exchanges they are to hide.
            TimeSpan computation = TimeSpan.FromMilliseconds(Math.Max(2, Math.Ceiling(alone * 1.5 / 4)));
            double serial = Time(computation, overlapped: false, options);
            double overlap = Time(computation, overlapped: true, options);
            double nothing = Time(computation, overlapped: true, null);

            // What computation and exchange cost one after the other must stand out of the noise to be divided by.
            string share = serial - nothing > nothing / 10 ? $"{1 - ((overlap - nothing) / (serial - nothing)):P0}" : "-";
            double rate = crossing / (world.Topology.HostOfRank.Max() + 1) / (alone / 1000);
            string ofRaw = rawBytesPerSecond == 0 ? "-" : $"{rate / rawBytesPerSecond:P0}";
            Print(string.Create(
                CultureInfo.InvariantCulture,
                $"{name,-22}{alone,9:F2}{alone / flat,9:P0}{crossing / 1024,13:F0}{crossing / flatBytes,9:P1}{rate / 1e6,8:F1}{ofRaw,8}{serial,11:F2}{overlap,12:F2}{nothing,9:F2}{share,8}"));
        }
    }

    /// <summary>Milliseconds of a layer with both micro-batches, the median of some repetitions of the slowest rank; with options null nothing is moved.</summary>
    private double Time(TimeSpan computation, bool overlapped, ExchangeOptions? options)
    {
        using WorkerTeam team = new(1);
        using ITransport? transport = options is null ? null : world.Open();
        RankedExchange? ranked = transport is null ? null : new RankedExchange(
            transport, world.Topology, [SlotMap.Even(world.Topology.World, Experts)], options!, hidden, ExpertsPerToken, KernelSet.Best, team);
        IExpertExchange exchange = ranked ?? (IExpertExchange)new NullExchange([_offsets], hidden);
        using Rank rank = new(exchange, world.Rank, tokens, hidden, Experts, ExpertsPerToken);
        double[] times = new double[Repetitions];
        for (int repetition = 0; repetition < Repetitions; repetition++)
        {
            // Meeting is not exact; an exchange is.
            world.Meet([]);
            rank.RunSerial(1, TimeSpan.Zero);
            long start = Stopwatch.GetTimestamp();
            if (overlapped)
            {
                rank.RunOverlapped(Layers, computation);
            }
            else
            {
                rank.RunSerial(Layers, computation);
            }

            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds / Layers;
            ranked?.Flush();
            times[repetition] = world.Most(milliseconds);
        }

        if (ranked is not null)
        {
            LinkTraffic traffic = ranked.Traffic.Of(0, LinkClass.CrossHost);
            _crossing = Sum((double)(traffic.PayloadBytes + traffic.MetadataBytes) / (Repetitions * (Layers + 1)));
            _flatBytes = Sum((double)traffic.FlatBytes / (Repetitions * (Layers + 1)));
            _offsets = rank.Offsets;
        }

        // Nobody leaves before all have everything.
        world.Meet([]);
        Array.Sort(times);
        return times[Repetitions / 2];
    }

    private double Sum(double mine) => world.Meet(BitConverter.GetBytes(mine)).Sum(bytes => BitConverter.ToDouble(bytes));

    private void Print(string line)
    {
        if (world.Rank == 0)
        {
            Console.WriteLine(line);
        }
    }
}
