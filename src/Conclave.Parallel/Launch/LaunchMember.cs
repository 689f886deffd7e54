namespace Conclave.Parallel.Launch;

/// <summary>What the coordinator knows of a rank.</summary>
internal sealed class LaunchMember
{
    /// <summary>Its end of the control channel; null until it is there.</summary>
    public ControlChannel? Channel { get; set; }

    /// <summary>What it presented.</summary>
    public RankHello? Hello { get; set; }

    /// <summary>Where its transport is reached.</summary>
    public byte[]? Address { get; set; }

    /// <summary>Whether it has opened the model.</summary>
    public bool IsReady { get; set; }

    /// <summary>Whether it has told that it cannot go on.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Whether its control channel has ended.</summary>
    public bool HasLeft { get; set; }

    /// <summary>Its last word.</summary>
    public RankReport? Report { get; set; }

    /// <summary>When it was heard of last, as <see cref="System.Diagnostics.Stopwatch"/> counts.</summary>
    public long Heard { get; set; }

    /// <summary>Sends something; that a rank has gone is noticed where its messages are taken.</summary>
    public void Send(ControlKind kind, ReadOnlySpan<byte> body = default)
    {
        try
        {
            Channel?.Send(kind, body);
        }
        catch (IOException)
        {
            // Its reader notices: the channel is closed.
        }
    }
}
