using Conclave.Primitives;
using Conclave.Transport;

namespace Conclave.Parallel.Placement;

/// <summary>
/// What a placement has to fill: the experts of a layer, in groups as its router chooses them, and the slots of ranks that are divided over hosts. Each rank has as many
/// slots as any other; ranks need not divide by hosts (the first hosts have one more), experts not by ranks.
/// </summary>
public sealed class PlacementShape
{
    /// <summary>The most slots of a layer.</summary>
    public const int MostSlots = 65_535;

    private const int MostExperts = 4096;
    private const int MostRanks = 4096;

    private readonly Topology _topology;

    /// <summary>Describes ranks and experts.</summary>
    /// <param name="experts">Experts of a layer.</param>
    /// <param name="slots">Places for experts on all ranks together, at least one for each expert.</param>
    /// <param name="groups">Groups of neighbouring experts, all of one size; 1 where the router knows none.</param>
    /// <param name="hosts">Number of hosts.</param>
    /// <param name="ranks">Number of ranks; host 0 has the first ones.</param>
    /// <exception cref="UserErrorException">The numbers cannot be together.</exception>
    public PlacementShape(int experts, int slots, int groups, int hosts, int ranks)
    {
        Expect(experts is >= 1 and <= MostExperts, $"{experts} experts; 1 to {MostExperts} are expected");
        Expect(ranks is >= 1 and <= MostRanks, $"{ranks} ranks; 1 to {MostRanks} are expected");
        Expect(hosts >= 1 && hosts <= ranks, $"{hosts} hosts for {ranks} ranks; at least one host, and one rank on each, are expected");
        Expect(groups >= 1 && experts % groups == 0, $"{groups} groups of {experts} experts; a number that divides the experts is expected");
        Expect(slots >= experts, $"{slots} slots for {experts} experts; each expert needs at least one");
        Expect(slots <= MostSlots, $"{slots} slots; at most {MostSlots} are expected");
        Expect(slots % ranks == 0, $"{slots} slots on {ranks} ranks; every rank has the same number, so a multiple of {ranks} is expected");
        Expect(slots / ranks <= experts, $"{slots / ranks} slots on each rank for {experts} experts; more would hold an expert twice");
        Experts = experts;
        Slots = slots;
        Groups = groups;
        Hosts = hosts;
        Ranks = ranks;
        _topology = Topology.Even(ranks, hosts);
    }

    /// <summary>Experts of a layer.</summary>
    public int Experts { get; }

    /// <summary>Places for experts on all ranks together.</summary>
    public int Slots { get; }

    /// <summary>Groups of experts.</summary>
    public int Groups { get; }

    /// <summary>Number of hosts.</summary>
    public int Hosts { get; }

    /// <summary>Number of ranks.</summary>
    public int Ranks { get; }

    /// <summary>Slots of a rank: slot s is on rank s ÷ this.</summary>
    public int SlotsPerRank => Slots / Ranks;

    /// <summary>
    /// True where groups stay on hosts: a token goes to few groups, so it crosses to few hosts. One host has nothing to gain, and where hosts cannot have the same
    /// number of groups the load would part them anyway.
    /// </summary>
    public bool KeepsGroups => Hosts > 1 && Groups > 1 && Groups % Hosts == 0 && Ranks % Hosts == 0;

    /// <summary>The host of a rank.</summary>
    public int HostOf(int rank) => _topology.HostOfRank[rank];

    /// <summary>Whether a rank has an expert in a layer whose slots hold these.</summary>
    internal bool IsOn(int rank, ReadOnlySpan<int> experts, int expert) => experts.Slice(rank * SlotsPerRank, SlotsPerRank).Contains(expert);

    /// <summary>How many of a layer's slots hold an expert that their rank did not have before.</summary>
    internal int CountCopies(ReadOnlySpan<int> before, ReadOnlySpan<int> experts)
    {
        int copies = 0;
        for (int slot = 0; slot < experts.Length; slot++)
        {
            copies += IsOn(slot / SlotsPerRank, before, experts[slot]) ? 0 : 1;
        }

        return copies;
    }

    private static void Expect(bool condition, string problem)
    {
        if (!condition)
        {
            throw new UserErrorException(problem);
        }
    }
}
