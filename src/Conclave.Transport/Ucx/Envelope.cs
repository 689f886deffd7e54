using System.Runtime.InteropServices;

namespace Conclave.Transport.Ucx;

/// <summary>What stands before each payload, and alone in a message that only gives credits back.</summary>
[StructLayout(LayoutKind.Sequential, Size = TransportCounters.EnvelopeBytes)]
internal struct Envelope
{
    /// <summary>The value of <see cref="Mark"/>; another layout would have another.</summary>
    public const ushort MarkOfVersion1 = 0xC1A7;

    /// <summary>The value of <see cref="Mark"/> in the last message of a rank that leaves.</summary>
    public const ushort MarkOfFarewell = 0xC1AF;

    /// <summary>The message's tag; 0 where there is no payload.</summary>
    public ulong Tag;

    /// <summary>The number of the message among those of its kind from this sender to this receiver, from 0.</summary>
    public uint Sequence;

    /// <summary>How many of the receiver's messages the sender has released since it last said so.</summary>
    public ushort Credits;

    /// <summary>That this is an envelope, and of which kind.</summary>
    public ushort Mark;
}
