namespace Conclave.Parallel.Exchange;

/// <summary>What a message of an exchange carries.</summary>
internal enum MessageKind
{
    /// <summary>Tokens for another host, to their forwarder there.</summary>
    Cross,

    /// <summary>Tokens for a rank's experts.</summary>
    Deliver,

    /// <summary>Outputs, each for itself, to the token's rank.</summary>
    Return,

    /// <summary>A rank's weighted sums, to the forwarder.</summary>
    Partial,

    /// <summary>A host's sums, from the forwarder to the token's rank.</summary>
    Sum,
}

/// <summary>
/// The tag of a message: which part of which exchange it is. A way between two ranks is cut into messages; the last one says so, also where it is empty, because
/// the receiver waits for it.
/// </summary>
/// <param name="Kind">What it carries.</param>
/// <param name="IsLast">Whether the way ends with it.</param>
/// <param name="Slot">The micro-batch, counted by creation of its slot.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Step">Exchanges of this slot before this one.</param>
internal readonly record struct MessageTag(MessageKind Kind, bool IsLast, int Slot, int Layer, uint Step)
{
    public const int MaxSlots = byte.MaxValue + 1;

    public ulong Encode() => (byte)Kind | (IsLast ? 0x80u : 0u) | ((ulong)Slot << 8) | ((ulong)Layer << 16) | ((ulong)Step << 32);

    public static MessageTag Decode(ulong code) =>
        new((MessageKind)(code & 0x7F), (code & 0x80) != 0, (byte)(code >> 8), (ushort)(code >> 16), (uint)(code >> 32));
}
