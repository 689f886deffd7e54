using System.Diagnostics;
using System.Globalization;
using Conclave.Engine.Scheduling;
using Conclave.Engine.Tests.Scheduling;
using Conclave.Primitives;

// What a step costs beside the model: scheduler and block manager, Schedule and Complete and the tokens appended, for 1 … 512 running sequences. A closed loop:
// whenever a sequence ends, the next of a ring of prepared ones takes its place, so steps mix single tokens and prompt chunks. The wish is
// 50 µs + 1 µs for each running sequence. The percentiles show the steps that admit.
if (args.Length > 0)
{
    Console.Error.WriteLine("usage: Scheduling, without arguments");
    return 2;
}

const int TokensPerStep = 1024;
const int Blocks = 40_000;
const int WarmUp = 2_000;
const int Measured = 4_000;
const int MaxNew = 200;
const int Vocabulary = 64;
Console.WriteLine($"{"running",8}{"tokens",8}{"median µs",12}{"p99 µs",10}{"max µs",10}{"wish µs",10}{"bytes/step",12}{"preempted",11}{"hits",8}");
bool fulfilled = true;
foreach (int running in (int[])[1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
{
    fulfilled &= Measure(running, Blocks);
}

Console.WriteLine("with too few blocks for all: many wait, some lose their blocks");
Measure(512, 600, prefix: 1);
return fulfilled ? 0 : 1;

static bool Measure(int running, int blocks, int prefix = 300)
{
    BlockManager manager = new(blocks, 64);
    Scheduler scheduler = new(manager, TokensPerStep, running);
    using NullModelRunner runner = new(blocks, 64, running, Vocabulary);
    Random random = new(1);
    int[] system = [.. Enumerable.Range(0, prefix).Select(_ => random.Next(Vocabulary))];

    // Prepared outside of the step, as a server's request threads do it.
    int needed = running + ((WarmUp + Measured) * running / (MaxNew / 2)) + 100;
    Queue<Sequence> prepared = new(Enumerable.Range(0, needed).Select(_ => new Sequence(
        [.. system, .. Enumerable.Range(0, random.Next(1, 400)).Select(_ => random.Next(Vocabulary))], random.Next(MaxNew / 2, (MaxNew * 3 / 2) + 1))));
    long[] ticks = new long[Measured];
    long allocated = 0;
    long tokens = 0;
    for (int step = 0; step < WarmUp + Measured; step++)
    {
        while (scheduler.RunningCount + scheduler.WaitingCount < running && prepared.TryDequeue(out Sequence? next))
        {
            scheduler.Submit(next);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        StepPlan plan = scheduler.Schedule();
        long elapsed = Stopwatch.GetTimestamp() - start;
        TensorView logits = runner.Run(plan);
        start = Stopwatch.GetTimestamp();
        scheduler.Complete();
        foreach (ref readonly StepEntry entry in plan.Entries)
        {
            if (entry.Logits > 0)
            {
                entry.Sequence.Append(logits.RowF32(entry.LogitRow).IndexOf(1));
                if (entry.Sequence.Count == entry.Sequence.Capacity)
                {
                    scheduler.Finish(entry.Sequence);
                }
            }
        }

        elapsed += Stopwatch.GetTimestamp() - start;
        if (step >= WarmUp)
        {
            ticks[step - WarmUp] = elapsed;
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            tokens += plan.Tokens;
        }
    }

    Array.Sort(ticks);
    double wish = 50 + running;
    double median = Microseconds(ticks[Measured / 2]);
    double late = Microseconds(ticks[Measured * 99 / 100]);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{running,8}{tokens / Measured,8}{median,12:F2}{late,10:F2}{Microseconds(ticks[^1]),10:F2}{wish,10:F0}{(double)allocated / Measured,12:F2}"
        + $"{scheduler.Preemptions,11}{(double)scheduler.PrefixHits / scheduler.PrefixQueries,8:P0}"));
    return median <= wish;
}

static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;
