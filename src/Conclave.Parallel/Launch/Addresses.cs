namespace Conclave.Parallel.Launch;

/// <summary>Where the transports of all ranks are reached.</summary>
internal static class Addresses
{
    /// <summary>Addresses of one rank: in the world, and in its group, empty where it has none.</summary>
    public const int OfRank = 2;

    public static ControlWriter Write(IEnumerable<byte[]> addresses) =>
        addresses.Aggregate(new ControlWriter(), (writer, address) => writer.Bytes(address));

    public static byte[][] Read(ControlFrame frame, int world)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        byte[][] addresses = new byte[world][];
        foreach (ref byte[] address in addresses.AsSpan())
        {
            address = reader.Bytes("an address", ControlFrame.MostBytes(ControlKind.Address)).ToArray();
        }

        reader.End();
        return addresses;
    }
}
