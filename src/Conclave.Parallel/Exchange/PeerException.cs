namespace Conclave.Parallel.Exchange;

/// <summary>A rank failed, or sent what no rank may send. The exchange cannot be used any more.</summary>
public sealed class PeerException : Exception
{
    /// <summary>Names the rank and what happened.</summary>
    public PeerException(int rank, string what) : base($"rank {rank} {what}") => Rank = rank;

    /// <summary>The rank.</summary>
    public int Rank { get; }
}
