using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Tests.Placement;

public sealed class ReplicaChoiceTests
{
    // Ranks 0 and 1 on host 0, 2 and 3 on host 1. Expert 0 is on ranks 0, 1 and 2; expert 1 on rank 3 and 0.
    private static readonly ExpertPlacement Placement = new(
        new PlacementShape(experts: 4, slots: 8, groups: 1, hosts: 2, ranks: 4), [0, 1, 0, 2, 0, 3, 1, 2]);

    [Theory]
    [InlineData(0, 0, new long[] { 5, 4, 0, 0 }, 2)] // the own host's lighter rank, though another host has a lighter one
    [InlineData(0, 0, new long[] { 4, 4, 0, 0 }, 0)] // of equal ones the own rank
    [InlineData(0, 1, new long[] { 4, 4, 0, 0 }, 2)]
    [InlineData(0, 3, new long[] { 0, 0, 9, 0 }, 4)] // the only one on the own host
    [InlineData(3, 0, new long[] { 0, 0, 9, 0 }, 5)] // the only one at all
    public void The_own_host_comes_first_then_the_least_load(int expert, int source, long[] loads, int slot) =>
        Assert.Equal(slot, ReplicaChoice.Choose(Placement, 0, expert, source, loads));

    [Fact]
    public void Choices_even_what_an_even_division_would_not()
    {
        // Expert 0 (on both ranks) has 90 tokens, expert 1 (rank 0) 10, expert 2 (rank 1) 50: 55 and 95 evenly, 75 and 75 by choice.
        ExpertPlacement placement = new(new PlacementShape(experts: 3, slots: 4, groups: 1, hosts: 1, ranks: 2), [0, 1, 0, 2]);
        long[] loads = [10, 50];
        for (int token = 0; token < 90; token++)
        {
            loads[placement.RankOf(ReplicaChoice.Choose(placement, 0, 0, token % 2, loads))]++;
        }

        Assert.Equal([75, 75], loads);
    }
}
