namespace Conclave.Parallel.Launch;

/// <summary>A launch has ended because a rank failed: the message says which and why.</summary>
public sealed class RankFailedException : Exception
{
    /// <summary>With the sentence about the rank.</summary>
    public RankFailedException(string message) : base(message)
    {
    }

    /// <summary>With the sentence about the rank and what was noticed here.</summary>
    public RankFailedException(string message, Exception noticed) : base(message, noticed)
    {
    }
}
