using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Conclave.Parallel.Exchange;

/// <summary>
/// A token in a message to experts, little-endian: token (4 bytes), its rank (2), number of slots (2), slots (2 each, padded to four bytes), routing
/// weights (4 each, where outputs are reduced on the way), the row's numbers. Reading checks that a record lies in its message; what the fields say is checked by who
/// knows what may stand there.
/// </summary>
internal readonly ref struct TokenRecord
{
    private const int FixedBytes = 8;

    public int Token { get; private init; }

    /// <summary>The rank whose token it is.</summary>
    public int Source { get; private init; }

    public ReadOnlySpan<ushort> Slots { get; private init; }

    /// <summary>Weights by slot; empty where outputs return unreduced.</summary>
    public ReadOnlySpan<float> Weights { get; private init; }

    public ReadOnlySpan<byte> Payload { get; private init; }

    public static int Bytes(int slots, bool weighted, int payloadBytes) =>
        FixedBytes + SlotBytes(slots) + (weighted ? slots * sizeof(float) : 0) + payloadBytes;

    /// <summary>Writes a record; the caller fills slots and weights.</summary>
    public static void Write(
        Span<byte> record, int token, int source, int slots, bool weighted, ReadOnlySpan<byte> payload, out Span<ushort> slotFields, out Span<float> weightFields)
    {
        BinaryPrimitives.WriteInt32LittleEndian(record, token);
        BinaryPrimitives.WriteUInt16LittleEndian(record[4..], (ushort)source);
        BinaryPrimitives.WriteUInt16LittleEndian(record[6..], (ushort)slots);
        Span<byte> fields = record[FixedBytes..];
        fields[..SlotBytes(slots)].Clear();
        slotFields = MemoryMarshal.Cast<byte, ushort>(fields)[..slots];
        weightFields = weighted ? MemoryMarshal.Cast<byte, float>(fields[SlotBytes(slots)..])[..slots] : [];
        payload.CopyTo(record[(record.Length - payload.Length)..]);
    }

    /// <summary>Reads the record at the beginning and moves behind it.</summary>
    /// <returns>False where the message is too short for it.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> message, bool weighted, int payloadBytes, out TokenRecord record)
    {
        record = default;
        if (message.Length < FixedBytes)
        {
            return false;
        }

        int slots = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        int bytes = Bytes(slots, weighted, payloadBytes);
        if (message.Length < bytes)
        {
            return false;
        }

        ReadOnlySpan<byte> fields = message[FixedBytes..];
        record = new TokenRecord
        {
            Token = BinaryPrimitives.ReadInt32LittleEndian(message),
            Source = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]),
            Slots = MemoryMarshal.Cast<byte, ushort>(fields)[..slots],
            Weights = weighted ? MemoryMarshal.Cast<byte, float>(fields[SlotBytes(slots)..])[..slots] : [],
            Payload = message[(bytes - payloadBytes)..bytes],
        };
        message = message[bytes..];
        return true;
    }

    private static int SlotBytes(int slots) => (slots + 1) / 2 * 4;
}
