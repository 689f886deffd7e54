using System.Diagnostics;
using System.Globalization;
using Conclave.ExchangeBench;
using Conclave.Transport;
using Conclave.Transport.Bench;

// What an exchange costs: time of dispatch and combine for each mode, the bytes that cross hosts against the flat baseline and how fast they do; then how much of it two micro-batches hide under
// computation: 1 − (overlap − null) ÷ (serial − null), where null is the same with an exchange that moves nothing.
//   Exchange.dll [RANKS HOSTS TOKENS HIDDEN MBIT]          ranks are threads; links between hosts let through MBIT Mbit/s (0: all)
//   Exchange.dll hosts [HOSTS TOKENS HIDDEN MBIT]          a rank on each "host" of scripts/hosts, over UCX, beside what UCX alone moves between two of them; needs root
//   Exchange.dll rank FOLDER RANK HOSTS TOKENS HIDDEN      one of these ranks, which the above starts
// TOKENS: of a micro-batch of a rank, of which it has two.
const int RawMessageBytes = 64 << 10;
switch (args)
{
    case []:
        RunThreads([4, 4, 16, 7168, 1000]);
        return 0;
    case ["hosts"]:
        return StartHosts([4, 64, 7168, 1000]);
    case ["hosts", .. string[] rest] when Numbers(rest, 4) is [> 0, > 0, > 0, _] and { } numbers:
        return StartHosts(numbers);
    case ["rank", string folder, .. string[] rest] when Numbers(rest, 4) is { } numbers:
        RunRank(folder, numbers);
        return 0;
    default:
        if (Numbers(args, 5) is [> 0, > 0, > 0, > 0, _] and { } sizes)
        {
            RunThreads(sizes);
            return 0;
        }

        Console.Error.WriteLine("usage: Exchange [RANKS HOSTS TOKENS HIDDEN MBIT] | hosts [HOSTS TOKENS HIDDEN MBIT]; all are whole numbers from 1 on; MBIT 0 is no limit");
        return 2;
}

// Null where they are not so many, or no numbers.
static int[]? Numbers(string[] values, int count)
{
    int[] numbers = [.. values.Select(value => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1)];
    return numbers.Length == count && !numbers.Contains(-1) ? numbers : null;
}

static void RunThreads(int[] values)
{
    (int ranks, int hosts, int tokens, int hidden, int megabits) = (values[0], values[1], values[2], values[3], values[4]);
    Console.WriteLine($"{ranks} ranks on {hosts} hosts, 2 micro-batches of {tokens} tokens a rank, H = {hidden}, {megabits} Mbit/s a host");
    using ThreadWorld.Shared shared = new(Topology.Even(ranks, hosts), megabits == 0 ? double.PositiveInfinity : megabits * 1e6 / 8);
    Thread[] threads = [.. Enumerable.Range(0, ranks).Select(rank => new Thread(() => new ModeBench(new ThreadWorld(rank, shared), tokens, hidden, 0).Run()))];
    Array.ForEach(threads, thread => thread.Start());
    Array.ForEach(threads, thread => thread.Join());
}

static int StartHosts(int[] values)
{
    (int hosts, int tokens, int hidden, int megabits) = (values[0], values[1], values[2], values[3]);
    Console.WriteLine($"{hosts} ranks on {hosts} hosts, 2 micro-batches of {tokens} tokens a rank, H = {hidden}, {megabits} Mbit/s a host, UCX");
    string folder = Directory.CreateTempSubdirectory("conclave-exchange-").FullName;
    try
    {
        string rank = $"exec dotnet '{Environment.GetCommandLineArgs()[0]}' rank '{folder}' $CONCLAVE_HOST {hosts} {tokens} {hidden}";
        using Process process = Process.Start("scripts/hosts", [$"{hosts}", "--rate", $"{megabits}mbit", "--burst", "256kb", "--", "sh", "-c", rank]);
        process.WaitForExit();
        return process.ExitCode;
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}

static void RunRank(string folder, int[] values)
{
    (int rank, int hosts, int tokens, int hidden) = (values[0], values[1], values[2], values[3]);
    HostWorld world = new(folder, rank, Topology.Even(hosts, hosts));

    // The others wait without a core.
    double raw = 0;
    if (rank < 2)
    {
        HostWorld pair = new(Directory.CreateDirectory(Path.Combine(folder, "pair")).FullName, rank, Topology.Even(2, 2));

        // UCX does not take it well if one side is gone before the other closes; the end of the process is early enough.
        RawPath path = new(rank, RawMessageBytes, mine => pair.Meet(mine)[1 - rank]);
        (double half, raw) = Measurement.Run(path, RawMessageBytes);
        if (rank == 0)
        {
            Console.WriteLine($"UCX alone, messages of {RawMessageBytes} bytes one way: {raw / 1e6:F1} MB/s, half a round trip {half:F0} µs");
        }
    }

    new ModeBench(world, tokens, hidden, world.Most(rank == 0 ? raw : 0)).Run();
}
