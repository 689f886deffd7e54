using System.Buffers.Binary;

namespace Conclave.Parallel.Balancing;

/// <summary>What a message of the balancer says.</summary>
internal enum BalancerMessageKind : byte
{
    /// <summary>To the leader: how often the sender's tokens chose experts and ranks, [layers × (experts + ranks)] from an index on, 4 bytes each.</summary>
    Counts = 1,

    /// <summary>From the leader: the experts of slots, [layers × slots] from an index on, 2 bytes each.</summary>
    Proposal,

    /// <summary>To the leader: the sender holds the proposed experts.</summary>
    Ready,

    /// <summary>To the leader: the sender cannot hold them.</summary>
    Failed,

    /// <summary>From the leader: the proposal is dropped.</summary>
    Cancel,

    /// <summary>From the leader: the proposal comes into force before a step.</summary>
    Commit,

    /// <summary>To the leader: the sender knows that step.</summary>
    Acknowledge,
}

/// <summary>A message of the balancer, little-endian: kind (4 bytes), which proposal (4), an index or a step (8), numbers.</summary>
internal readonly ref struct BalancerMessage
{
    public const int HeaderBytes = 16;

    public BalancerMessageKind Kind { get; private init; }

    /// <summary>Counts the leader's proposals; 0 in counts.</summary>
    public uint Proposal { get; private init; }

    /// <summary>The index of the first number, or the step.</summary>
    public long Position { get; private init; }

    public ReadOnlySpan<byte> Numbers { get; private init; }

    /// <summary>Writes what comes before the numbers.</summary>
    public static int WriteHeader(Span<byte> memory, BalancerMessageKind kind, uint proposal, long position)
    {
        BinaryPrimitives.WriteInt32LittleEndian(memory, (int)kind);
        BinaryPrimitives.WriteUInt32LittleEndian(memory[4..], proposal);
        BinaryPrimitives.WriteInt64LittleEndian(memory[8..], position);
        return HeaderBytes;
    }

    /// <summary>Reads a message.</summary>
    /// <returns>False where it is too short for one.</returns>
    public static bool TryRead(ReadOnlySpan<byte> message, out BalancerMessage read)
    {
        read = default;
        if (message.Length < HeaderBytes)
        {
            return false;
        }

        read = new BalancerMessage
        {
            Kind = (BalancerMessageKind)BinaryPrimitives.ReadInt32LittleEndian(message),
            Proposal = BinaryPrimitives.ReadUInt32LittleEndian(message[4..]),
            Position = BinaryPrimitives.ReadInt64LittleEndian(message[8..]),
            Numbers = message[HeaderBytes..],
        };
        return true;
    }
}
