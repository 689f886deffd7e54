using System.Buffers.Binary;
using System.Globalization;
using System.Net;

namespace Conclave.EndToEnd.Tests;

/// <summary>Where a process can be reached over TCP, as /proc shows it.</summary>
internal static class ListeningSockets
{
    private const string Listening = "0A";

    public static IPEndPoint[] Of(int process)
    {
        HashSet<string> own = [.. Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Select(entry => new FileInfo(entry).LinkTarget ?? "")];

        // number, local address:port, remote address:port, state, …, the tenth is the inode.
        return
        [
            .. new[] { "tcp", "tcp6" }
                .SelectMany(file => File.ReadLines($"/proc/{process}/net/{file}").Skip(1))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(words => words[3] == Listening && own.Contains($"socket:[{words[9]}]"))
                .Select(words => Parse(words[1])),
        ];
    }

    // Words of 32 bits in the machine's order.
    private static IPEndPoint Parse(string text)
    {
        string[] parts = text.Split(':');
        byte[] address = Convert.FromHexString(parts[0]);
        for (int i = 0; i < address.Length; i += sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32BigEndian(address.AsSpan(i), BinaryPrimitives.ReadUInt32LittleEndian(address.AsSpan(i)));
        }

        return new IPEndPoint(new IPAddress(address), int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }
}
