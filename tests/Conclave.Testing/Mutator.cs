using System.Text;

namespace Conclave.Testing;

/// <summary>Damages bytes the way disks, editors and attackers do. The same seed gives the same sequence.</summary>
public sealed class Mutator(int seed)
{
    private const int MaxGrowth = 1 << 16;

    private static readonly byte[][] Fragments =
    [
        .. new[]
        {
            "0", "1", "-1", "0.5", "1e999", "1e-999", "2147483648", "4294967296", "9223372036854775807", "-9223372036854775808",
            "18446744073709551616", "null", "true", "\"\"", "[]", "{}", "[[[[", "]", "}", ",", ":", "\"", "\\", "\\ud800", "\\p{", "(", ")", "*",
            "{9}", "=", " ", "\n", "\uFEFF", "😀", "\"type\"", "\"F32\"", "\"shape\"", "\"data_offsets\"",
        }.Select(Encoding.UTF8.GetBytes),
        [0], [0xFF], [0xED, 0xA0, 0x80], [0xFF, 0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ];

    private readonly Random _random = new(seed);

    /// <summary>A damaged copy of one of the inputs; parts of others may be spliced in.</summary>
    public byte[] Next(IReadOnlyList<byte[]> corpus)
    {
        List<byte> data = [.. corpus[_random.Next(corpus.Count)]];
        int limit = data.Count + MaxGrowth;
        int rounds = 1 << _random.Next(4);
        for (int i = 0; i < rounds; i++)
        {
            Damage(data, corpus[_random.Next(corpus.Count)]);
        }

        return data.Count > limit ? [.. data.Take(limit)] : [.. data];
    }

    private void Damage(List<byte> data, byte[] other)
    {
        // A third of all damage goes to the front, where lengths and headers are.
        int at = _random.Next((_random.Next(3) == 0 ? Math.Min(data.Count, 64) : data.Count) + 1);
        int rest = data.Count - at;
        switch (_random.Next(10))
        {
            case 0 when rest > 0:
                data[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when rest > 0:
                data[at] = (byte)_random.Next(256);
                break;
            case 2:
                data.RemoveRange(at, Math.Min(rest, 1 + _random.Next(16)));
                break;
            case 3:
                data.RemoveRange(at, rest);
                break;
            case 4:
                data.InsertRange(at, Fragments[_random.Next(Fragments.Length)]);
                break;
            case 5:
                data.InsertRange(at, other.Skip(_random.Next(other.Length + 1)).Take(_random.Next(64)));
                break;
            case 6:
                data.InsertRange(at, data.GetRange(at, Math.Min(rest, _random.Next(40))));
                break;
            case 7:
                Repeat(data, at);
                break;
            case 8:
                ReplaceNumber(data, at);
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
        if (part.Length * times < MaxGrowth)
        {
            data.InsertRange(at, Enumerable.Repeat(part, times).SelectMany(bytes => bytes));
        }
    }

    private void ReplaceNumber(List<byte> data, int from)
    {
        int begin = data.FindIndex(from, value => char.IsAsciiDigit((char)value));
        if (begin >= 0)
        {
            int end = data.FindIndex(begin, value => !char.IsAsciiDigit((char)value));
            data.RemoveRange(begin, (end < 0 ? data.Count : end) - begin);
            data.InsertRange(begin, Fragments[_random.Next(Fragments.Length)]);
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
