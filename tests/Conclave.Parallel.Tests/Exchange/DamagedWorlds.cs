using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Tests.Exchange;

/// <summary>Runs worlds of which one rank has a <see cref="DamagingTransport"/>, and counts what came of it. For one thread.</summary>
internal sealed class DamagedWorlds
{
    /// <summary>In how many a message was damaged; in the others the rank sent too few.</summary>
    public int Damaged { get; private set; }

    /// <summary>In how many a rank saw that a message cannot be. In the others the damage changed what a message may say, or the rank that left was missed first.</summary>
    public int Refused { get; private set; }

    /// <summary>Runs one: a damaged message is refused, or whoever left after it is missed, and nothing else goes wrong.</summary>
    public void Run(Action world)
    {
        try
        {
            world();
        }
        catch (AggregateException e) when (e.InnerExceptions.All(failure => failure is PeerException or DamagingTransport.DoneException))
        {
            Damaged += e.InnerExceptions.Any(failure => failure is DamagingTransport.DoneException) ? 1 : 0;
            Refused += e.InnerExceptions.Any(failure => failure is PeerException && !failure.Message.EndsWith("closed its transport", StringComparison.Ordinal)) ? 1 : 0;
        }
    }
}
