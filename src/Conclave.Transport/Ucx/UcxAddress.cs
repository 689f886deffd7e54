using System.Buffers.Binary;
using Conclave.Primitives;

namespace Conclave.Transport.Ucx;

/// <summary>
/// The address of a rank as its peers need it: a mark, the rank, its message buffers, and UCX's own address of 145 to 215 bytes, which only UCX can read. It must come from where ranks are
/// told of one another; UCX trusts what it is given.
/// </summary>
internal static class UcxAddress
{
    private const uint Mark = 0x31584355;
    private const int HeaderBytes = 16;
    private const int MostBytes = 4096;

    public static byte[] Write(int rank, TransportOptions options, ReadOnlySpan<byte> ucx)
    {
        byte[] address = new byte[HeaderBytes + ucx.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(address, Mark);
        BinaryPrimitives.WriteInt32LittleEndian(address.AsSpan(4), rank);
        BinaryPrimitives.WriteInt32LittleEndian(address.AsSpan(8), options.Credits);
        BinaryPrimitives.WriteInt32LittleEndian(address.AsSpan(12), options.MaxMessageBytes);
        ucx.CopyTo(address.AsSpan(HeaderBytes));
        return address;
    }

    /// <summary>The part for UCX, after the rest was compared with what this rank expects.</summary>
    public static ReadOnlySpan<byte> Read(ReadOnlySpan<byte> address, int rank, TransportOptions options)
    {
        if (address.Length is <= HeaderBytes or > MostBytes || BinaryPrimitives.ReadUInt32LittleEndian(address) != Mark)
        {
            throw new UserErrorException($"the address of rank {rank} is no address of Conclave's UCX transport ({address.Length} bytes); start all ranks with the same version");
        }

        int named = BinaryPrimitives.ReadInt32LittleEndian(address[4..]);
        if (named != rank)
        {
            throw new UserErrorException($"the address given for rank {rank} is the one of rank {named}; addresses must be in the order of ranks");
        }

        int credits = BinaryPrimitives.ReadInt32LittleEndian(address[8..]);
        int bytes = BinaryPrimitives.ReadInt32LittleEndian(address[12..]);
        if (credits != options.Credits || bytes != options.MaxMessageBytes)
        {
            throw new UserErrorException(
                $"rank {rank} has {credits} message buffers of {bytes} bytes for each peer, this rank {options.Credits} of {options.MaxMessageBytes}; start all ranks with the same options");
        }

        return address[HeaderBytes..];
    }
}
