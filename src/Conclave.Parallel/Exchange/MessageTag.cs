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

    /// <summary>No part of an exchange: see <see cref="SideChannel"/>.</summary>
    Side = 7,
}

/// <summary>
/// The tag of a message: which part of which exchange it is. A way between two ranks is cut into messages; the last one says so, also where it is empty, because
/// the receiver waits for it.
/// </summary>
/// <param name="Kind">What it carries.</param>
/// <param name="IsLast">Whether the way ends with it.</param>
/// <param name="Slot">The micro-batch, counted by creation of its slot; beside exchanges, which <see cref="SideChannel"/>.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Epoch">The low bits of the placement's epoch: two neighbours at most are in use at a time.</param>
/// <param name="Step">Exchanges of this slot before this one.</param>
internal readonly record struct MessageTag(MessageKind Kind, bool IsLast, int Slot, int Layer, byte Epoch, uint Step)
{
    public const int MaxSlots = 1 << 8;
    public const int MaxLayers = 1 << LayerBits;

    private const int LayerBits = 12;

    // From the lowest bit: kind (3 bits), last (1), layer (12), slot (8), epoch (8), step (32).
    public ulong Encode() =>
        (uint)Kind | (IsLast ? 8u : 0u) | ((uint)Layer << 4) | ((uint)Slot << 16) | ((uint)Epoch << 24) | ((ulong)Step << 32);

    public static MessageTag Decode(ulong code) => new(
        (MessageKind)(code & 7), (code & 8) != 0, (byte)(code >> 16), (int)(code >> 4) & (MaxLayers - 1), (byte)(code >> 24), (uint)(code >> 32));
}
