using System.Text;

namespace Conclave.Checkpoints.Tests;

/// <summary>Damages a file in the ways that disks, editors and attackers do: same seed, same damage.</summary>
internal sealed class ByteMutator(int seed)
{
    private static readonly string[] Tokens =
    [
        "-1", "0", "1", "18446744073709551615", "9223372036854775807", "-9223372036854775808", "4294967296", "1e999", "1e-999", "0.5",
        "null", "true", "[]", "{}", "\"\"", "\"\\ud800\"", "[[[[", "}", "]", ",", ":", "\"F32\"", "\"shape\"", "\"data_offsets\"", "\uFEFF",
    ];

    private readonly Random _random = new(seed);

    public byte[] Mutate(byte[] original)
    {
        byte[] bytes = original;
        int times = 1 + _random.Next(3);
        for (int i = 0; i < times; i++)
        {
            bytes = Once(bytes);
        }

        return bytes;
    }

    private byte[] Once(byte[] bytes)
    {
        // Half of all damage goes to the front, where lengths and headers are.
        int limit = _random.Next(2) == 0 ? Math.Min(bytes.Length, 64) : bytes.Length;
        int at = _random.Next(limit + 1);
        int length = _random.Next(Math.Min(bytes.Length - at, 40) + 1);
        byte[] token = Encoding.UTF8.GetBytes(Tokens[_random.Next(Tokens.Length)]);
        switch (_random.Next(7))
        {
            case 0 when at < bytes.Length:
                byte[] flipped = [.. bytes];
                flipped[at] ^= (byte)(1 << _random.Next(8));
                return flipped;
            case 1 when at < bytes.Length:
                byte[] replaced = [.. bytes];
                replaced[at] = (byte)_random.Next(256);
                return replaced;
            case 2:
                return bytes[..at];
            case 3:
                return [.. bytes[..at], .. bytes[(at + length)..]];
            case 4:
                return [.. bytes[..at], .. bytes.AsSpan(at, length), .. bytes[at..]];
            case 5:
                return [.. bytes[..at], .. token, .. bytes[at..]];
            default:
                return ReplaceNumber(bytes, at, token);
        }
    }

    // What stands for a number in JSON becomes something else: structure stays, so that the checks behind the parser are reached.
    private static byte[] ReplaceNumber(byte[] bytes, int from, byte[] token)
    {
        int begin = from;
        while (begin < bytes.Length && !char.IsAsciiDigit((char)bytes[begin]))
        {
            begin++;
        }

        int end = begin;
        while (end < bytes.Length && char.IsAsciiDigit((char)bytes[end]))
        {
            end++;
        }

        return [.. bytes[..begin], .. token, .. bytes[end..]];
    }
}
