namespace Conclave.Parallel.Launch;

/// <summary>A launch has ended because a rank failed: the message says which and why. To whoever computes with it that is a device that has gone, and nothing in this process is to be mended.</summary>
public sealed class RankFailedException : IOException
{
    /// <summary>With the sentence about the rank.</summary>
    public RankFailedException(string message) : base(message)
    {
    }

    /// <summary>With the sentence about the rank and what was noticed here.</summary>
    public RankFailedException(string message, Exception noticed) : base(message, noticed)
    {
    }

    /// <summary>Whether it is what an error comes from: then the launcher says why, and nobody else has to.</summary>
    public static bool IsCauseOf(Exception error)
    {
        Exception? cause = error;
        while (cause is not (null or RankFailedException))
        {
            cause = cause.InnerException;
        }

        return cause is not null;
    }
}
