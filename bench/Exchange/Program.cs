using System.Diagnostics;
using System.Globalization;
using Conclave.ExchangeBench;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Transport;
using Conclave.Transport.InProcess;

// What an exchange costs, all ranks in one process: time of dispatch and combine for each mode and the bytes that cross hosts against the flat baseline; then how much of it two
// micro-batches hide under computation. Links between hosts are limited to the given rate (0: not at all); computation is time without work, because the ranks share the machine's cores with the
// exchange. Arguments: ranks hosts tokens-per-micro-batch hidden-size Mbit/s.
const int Experts = 256;
const int ExpertsPerToken = 8;
const int Repetitions = 5;
int[] values = args.Length == 0 ? [4, 4, 16, 7168, 1000] : [.. args.Select(value => int.Parse(value, CultureInfo.InvariantCulture))];
(int world, int hosts, int tokens, int hidden, int megabits) = (values[0], values[1], values[2], values[3], values[4]);
Topology topology = Topology.Even(world, hosts);
SlotMap slots = SlotMap.Even(world, Experts);
(string Name, ExchangeOptions Options)[] modes =
[
    ("flat BF16", ExchangeOptions.Flat),
    ("exact", ExchangeOptions.Exact),
    ("two hops BF16, BF16", new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost)),
    ("two hops FP8, BF16", ExchangeOptions.Fast(PayloadFormat.BF16)),
    ("two hops FP8, FP8", ExchangeOptions.Fast(PayloadFormat.E4M3)),
];
Console.WriteLine($"{world} ranks on {hosts} hosts, 2 micro-batches of {tokens} tokens a rank, H = {hidden}, {megabits} Mbit/s a host");
Console.WriteLine($"{"mode",-22}{"ms",9}{"of flat",9}{"crossing KB",13}{"of flat",9}{"serial ms",11}{"overlap ms",12}{"null ms",9}{"hidden",8}");
double flat = 0;
foreach ((string name, ExchangeOptions options) in modes)
{
    int[][] offsets = new int[world][];
    long crossing = 0;
    long flatBytes = 0;
    double alone = Time(TimeSpan.Zero, overlapped: false, options, null, out crossing, out flatBytes);
    flat = flat == 0 ? alone : flat;

    // Four computations a layer and rank, together half as long again as the exchanges they are to hide.
    TimeSpan computation = TimeSpan.FromMilliseconds(Math.Max(2, Math.Ceiling(alone * 1.5 / 4)));
    double serial = Time(computation, overlapped: false, options, offsets, out _, out _);
    double overlap = Time(computation, overlapped: true, options, null, out _, out _);
    double nothing = Time(computation, overlapped: true, null, offsets, out _, out _);

    // What computation and exchange cost one after the other must stand out of the noise to be divided by.
    string share = serial - nothing > nothing / 10 ? $"{1 - ((overlap - nothing) / (serial - nothing)):P0}" : "-";
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{name,-22}{alone,9:F2}{alone / flat,9:P0}{crossing / 1024,13}{(double)crossing / flatBytes,9:P1}{serial,11:F2}{overlap,12:F2}{nothing,9:F2}{share,8}"));
}

// Milliseconds of a layer with both micro-batches, the median of some repetitions of the slowest rank; with options null nothing is moved.
double Time(TimeSpan computation, bool overlapped, ExchangeOptions? options, int[][]? offsets, out long crossing, out long flatBytes)
{
    const int Layers = 4;
    HostLinks links = new(topology, megabits == 0 ? double.PositiveInfinity : megabits * 1e6 / 8);
    using InProcessFabric fabric = new(topology, new TransportOptions());
    using Barrier barrier = new(world);
    double[] times = new double[Repetitions];
    long sent = 0;
    long baseline = 0;
    Thread[] threads = [.. Enumerable.Range(0, world).Select(number => new Thread(() =>
    {
        using WorkerTeam team = new(1);
        using LimitedTransport transport = new(fabric[number], links);
        RankedExchange? ranked = options is null
            ? null : new RankedExchange(transport, topology, [slots], options, hidden, ExpertsPerToken, KernelSet.Best, team);
        IExpertExchange exchange = ranked ?? (IExpertExchange)new NullExchange([offsets![number]], hidden);
        using Rank rank = new(exchange, ranked is null ? () => { } : ranked.Progress, number, tokens, hidden, Experts, ExpertsPerToken);
        rank.RunSerial(1, TimeSpan.Zero);
        for (int repetition = 0; repetition < Repetitions; repetition++)
        {
            barrier.SignalAndWait();
            long start = Stopwatch.GetTimestamp();
            if (overlapped)
            {
                rank.RunOverlapped(Layers, computation);
            }
            else
            {
                rank.RunSerial(Layers, computation);
            }

            barrier.SignalAndWait();
            times[repetition] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / Layers;
        }

        if (ranked is not null)
        {
            LinkTraffic traffic = ranked.Traffic.Of(0, LinkClass.CrossHost);
            const int Exchanges = 1 + (Repetitions * Layers);
            Interlocked.Add(ref sent, (traffic.PayloadBytes + traffic.MetadataBytes) / Exchanges);
            Interlocked.Add(ref baseline, traffic.FlatBytes / Exchanges);
            if (offsets is not null)
            {
                offsets[number] = rank.Offsets;
            }
        }

        barrier.SignalAndWait();
    }))];
    Array.ForEach(threads, thread => thread.Start());
    Array.ForEach(threads, thread => thread.Join());
    Array.Sort(times);
    (crossing, flatBytes) = (sent, baseline);
    return times[Repetitions / 2];
}
