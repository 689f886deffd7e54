namespace Conclave.Transport;

/// <summary>How far apart two ranks are.</summary>
public enum LinkClass
{
    /// <summary>A rank and itself.</summary>
    SameRank,

    /// <summary>Two ranks of one host.</summary>
    SameHost,

    /// <summary>Ranks of two hosts.</summary>
    CrossHost,
}
