namespace Conclave.Parallel.Launch;

/// <summary>What several messages of the control channel may say at most.</summary>
internal static class ControlLimits
{
    /// <summary>Bytes of an instruction set's name.</summary>
    public const int MostNameBytes = 32;

    /// <summary>Bytes of a sentence for people: a warning, or why something failed.</summary>
    public const int MostSentenceBytes = 4096;
}
