using Conclave.Fuzzing;
using Conclave.Testing;

namespace Conclave.Engine.Tests;

/// <summary>Damaged files are read, or refused with one sentence that names the file. The long run of the same targets is bench/Fuzz.</summary>
public sealed class FuzzTests
{
    private const int Cases = 1500;

    public static TheoryData<string> Targets => [.. FuzzTargets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Damaged_files_are_read_or_refused(string name)
    {
        using TemporaryFolder folder = new();
        Fuzzer fuzzer = new(FuzzTargets.All.Single(target => target.Name == name), folder.Path);
        int refused = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            FuzzOutcome outcome = fuzzer.Run(seed);
            Assert.True(outcome.Problem is null, $"{name}, seed {seed}: {outcome.Problem}");
            refused += outcome.Refused ? 1 : 0;
        }

        // Both are reached often: the damage is neither harmless nor fatal to everything.
        Assert.InRange(refused, Cases / 4, Cases * 39 / 40);
    }
}
