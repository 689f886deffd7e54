using System.Diagnostics;
using System.Globalization;
using Conclave.Fuzzing;
using Conclave.Testing;

// Fuzz TARGET|all [--seconds N] [--seed S]: damages the targets' inputs until the time is up, one case per seed from S on. Findings go to
// artifacts/fuzz. The input under way lies in artifacts/fuzz/TARGET-SEED: there it stays if the process dies.
IReadOnlyList<FuzzTarget> targets = args.Length == 0 ? [] : [.. FuzzTargets.All.Where(t => args[0] == "all" || t.Name == args[0])];
if (targets.Count == 0 || !TryOption("--seconds", 60, out int seconds) || !TryOption("--seed", 1, out int seed))
{
    await Console.Error.WriteLineAsync(
        $"usage: Fuzz TARGET [--seconds N] [--seed S]\ntargets: {string.Join(", ", FuzzTargets.All.Select(t => t.Name))}, all");
    return 2;
}

string artifacts = Path.Combine(Repository.Root, "artifacts", "fuzz");
int findings = 0;
foreach (FuzzTarget target in targets)
{
    string folder = Directory.CreateDirectory(Path.Combine(artifacts, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{seed}"))).FullName;
    Fuzzer fuzzer = new(target, folder);
    Stopwatch clock = Stopwatch.StartNew();
    int cases = 0;
    int refused = 0;
    for (; clock.Elapsed.TotalSeconds < (double)seconds / targets.Count; cases++)
    {
        foreach (string old in Directory.GetFiles(folder))
        {
            File.Delete(old);
        }

        FuzzOutcome outcome = fuzzer.Run(seed + cases);
        refused += outcome.Refused ? 1 : 0;
        if (outcome.Problem is null)
        {
            continue;
        }

        findings++;
        string saved = Directory.CreateDirectory(Path.Combine(artifacts, "findings", string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{seed + cases}"))).FullName;
        foreach (FuzzFile file in fuzzer.Files(seed + cases))
        {
            await File.WriteAllBytesAsync(Path.Combine(saved, file.Name), file.Bytes);
        }

        Console.WriteLine($"{target.Name}, seed {seed + cases}: {saved}\n{outcome.Problem}\n");
        if (outcome.Hangs)
        {
            return 1;
        }
    }

    Directory.Delete(folder, recursive: true);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{target.Name}: {cases} cases in {clock.Elapsed.TotalSeconds:F0} s, {refused} refused; seeds from {seed}"));
}

Console.WriteLine($"{findings} findings");
return findings == 0 ? 0 : 1;

bool TryOption(string name, int otherwise, out int value)
{
    int index = Array.IndexOf(args, name);
    value = otherwise;
    return index < 0 || (index + 1 < args.Length && int.TryParse(args[index + 1], NumberStyles.None, CultureInfo.InvariantCulture, out value));
}
