using System.Text;

namespace Conclave.Testing;

/// <summary>Damages inputs the way files get damaged and attackers damage them. The same seed gives the same sequence.</summary>
public sealed class Mutator
{
    private const int MaxLength = 1 << 16;

    private static readonly byte[][] Interesting =
    [
        "0"u8.ToArray(), "-1"u8.ToArray(), "1e999"u8.ToArray(), "2147483648"u8.ToArray(), "18446744073709551616"u8.ToArray(), "null"u8.ToArray(),
        "\"\""u8.ToArray(), "[]"u8.ToArray(), "{}"u8.ToArray(), "\\ud800"u8.ToArray(), [0], [0xFF], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98, 0x80],
        [0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ];

    private readonly Random _random;

    /// <summary>Starts a sequence.</summary>
    public Mutator(int seed) => _random = new Random(seed);

    /// <summary>A damaged copy of one of the inputs; parts of others may be spliced in.</summary>
    public byte[] Next(IReadOnlyList<byte[]> corpus)
    {
        List<byte> data = [.. corpus[_random.Next(corpus.Count)]];
        int rounds = 1 << _random.Next(4);
        for (int i = 0; i < rounds; i++)
        {
            Damage(data, corpus[_random.Next(corpus.Count)]);
        }

        return data.Count > MaxLength ? [.. data.Take(MaxLength)] : [.. data];
    }

    private void Damage(List<byte> data, byte[] other)
    {
        int at = _random.Next(data.Count + 1);
        switch (_random.Next(8))
        {
            case 0 when at < data.Count:
                data[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < data.Count:
                data[at] = (byte)_random.Next(256);
                break;
            case 2:
                data.RemoveRange(at, Math.Min(data.Count - at, 1 + _random.Next(16)));
                break;
            case 3:
                data.RemoveRange(at, data.Count - at);
                break;
            case 4:
                data.InsertRange(at, Interesting[_random.Next(Interesting.Length)]);
                break;
            case 5:
                int start = _random.Next(other.Length + 1);
                data.InsertRange(at, other.Skip(start).Take(_random.Next(64)));
                break;
            case 6:
                Repeat(data, at);
                break;
            default:
                SwapTokens(data);
                break;
        }
    }

    // Lengths that grow by doubling find what is quadratic and what is recursive.
    private void Repeat(List<byte> data, int at)
    {
        byte[] part = [.. data.Skip(at).Take(1 + _random.Next(32))];
        int times = 1 << _random.Next(10);
        if (part.Length * times < MaxLength)
        {
            data.InsertRange(at, Enumerable.Repeat(part, times).SelectMany(bytes => bytes));
        }
    }

    private void SwapTokens(List<byte> data)
    {
        string[] tokens = Tokens(Encoding.Latin1.GetString([.. data]));
        if (tokens.Length > 1)
        {
            int first = _random.Next(tokens.Length);
            int second = _random.Next(tokens.Length);
            (tokens[first], tokens[second]) = (tokens[second], tokens[first]);
            data.Clear();
            data.AddRange(Encoding.Latin1.GetBytes(string.Concat(tokens)));
        }
    }

    // Runs of letters and digits, and everything else one by one.
    private static string[] Tokens(string text)
    {
        List<string> tokens = [];
        for (int start = 0; start < text.Length;)
        {
            int end = start + 1;
            while (char.IsAsciiLetterOrDigit(text[start]) && end < text.Length && char.IsAsciiLetterOrDigit(text[end]))
            {
                end++;
            }

            tokens.Add(text[start..end]);
            start = end;
        }

        return [.. tokens];
    }
}
