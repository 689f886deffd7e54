using System.Diagnostics;
using System.Globalization;
using Conclave.Fuzz;
using Conclave.Testing;

// Fuzz TARGET [--seconds N] [--seed S]: damages the target's inputs until the time is up; findings go to artifacts/fuzz.
FuzzTarget? target = args.Length > 0 ? Targets.All.FirstOrDefault(t => t.Name == args[0]) : null;
if (target is null || !TryOption("--seconds", 60, out int seconds) || !TryOption("--seed", 1, out int seed))
{
    await Console.Error.WriteLineAsync(
        $"usage: Fuzz TARGET [--seconds N] [--seed S]\ntargets: {string.Join(", ", Targets.All.Select(t => t.Name))}");
    return 2;
}

// A case that takes longer than this is a finding although it ends.
TimeSpan slow = TimeSpan.FromSeconds(10);
IReadOnlyList<byte[]> corpus = target.Corpus();
Mutator mutator = new(seed);
Stopwatch clock = Stopwatch.StartNew();
int cases = 0;
int findings = 0;
while (clock.Elapsed.TotalSeconds < seconds)
{
    byte[] input = mutator.Next(corpus);
    TimeSpan start = clock.Elapsed;
    string? problem = null;
    try
    {
        target.Run(input);
    }
    catch (Exception e) when (Targets.IsExpected(e))
    {
        // The input was refused with a message for the person who gave it.
    }
    catch (Exception e)
    {
        problem = e.ToString();
    }

    if (problem is null && clock.Elapsed - start > slow)
    {
        problem = $"took {(clock.Elapsed - start).TotalSeconds:F1} s";
    }

    if (problem is not null)
    {
        findings++;
        string folder = Path.Combine(Repository.Root, "artifacts", "fuzz");
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{seed}-{cases}"));
        await File.WriteAllBytesAsync(file, input);
        Console.WriteLine($"{file}\n{problem}\n");
    }

    cases++;
}

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture, $"{target.Name}: {cases} cases in {clock.Elapsed.TotalSeconds:F0} s, seed {seed}: {findings} findings"));
return findings == 0 ? 0 : 1;

bool TryOption(string name, int otherwise, out int value)
{
    int index = Array.IndexOf(args, name);
    value = otherwise;
    return index < 0 || (index + 1 < args.Length && int.TryParse(args[index + 1], NumberStyles.None, CultureInfo.InvariantCulture, out value));
}
