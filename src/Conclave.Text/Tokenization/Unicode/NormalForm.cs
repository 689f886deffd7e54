using System.Globalization;

namespace Conclave.Text.Unicode;

/// <summary>
/// Unicode's normal forms (UAX #15): decompose, put combining marks in canonical order, compose. .NET's own Normalize does nothing in
/// invariant-globalization mode.
/// </summary>
internal static class NormalForm
{
    private const int SyllableBase = 0xAC00;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TailBase = 0x11A7;
    private const int Vowels = 21;
    private const int Tails = 28;
    private const int Syllables = 19 * Vowels * Tails;

    private static readonly Lazy<Tables> Data = new(Tables.Load);

    /// <summary>Rewrites a text in NFD, NFC, NFKD or NFKC.</summary>
    /// <param name="text">Code points.</param>
    /// <param name="compatibility">The K forms: compatibility decompositions too.</param>
    /// <param name="compose">The C forms.</param>
    public static int[] Apply(int[] text, bool compatibility, bool compose)
    {
        // Nothing below U+00A0 decomposes, and nothing below U+0300 composes with what is in front of it.
        if (!text.AsSpan().ContainsAnyInRange(0xA0, int.MaxValue))
        {
            return text;
        }

        Tables tables = Data.Value;
        List<int> points = new(text.Length);
        foreach (int point in text)
        {
            Decompose(point, compatibility, tables, points);
        }

        Order(points, tables);
        if (compose)
        {
            Compose(points, tables);
        }

        return [.. points];
    }

    private static void Decompose(int point, bool compatibility, Tables tables, List<int> points)
    {
        int syllable = point - SyllableBase;
        if (syllable is >= 0 and < Syllables)
        {
            points.Add(LeadBase + (syllable / (Vowels * Tails)));
            points.Add(VowelBase + (syllable % (Vowels * Tails) / Tails));
            if (syllable % Tails > 0)
            {
                points.Add(TailBase + (syllable % Tails));
            }
        }
        else if ((compatibility && tables.Compatibility.TryGetValue(point, out int[]? parts)) || tables.Canonical.TryGetValue(point, out parts))
        {
            points.AddRange(parts);
        }
        else
        {
            points.Add(point);
        }
    }

    // Sorts every run of marks by class and keeps the order of equals. A stable sort by key, not by insertion: runs can be a megabyte long.
    private static void Order(List<int> points, Tables tables)
    {
        for (int start = 0; start < points.Count; start++)
        {
            if (tables.Class(points[start]) == 0)
            {
                continue;
            }

            int end = start + 1;
            bool sorted = true;
            while (end < points.Count && tables.Class(points[end]) is var value && value != 0)
            {
                sorted &= tables.Class(points[end - 1]) <= value;
                end++;
            }

            if (!sorted)
            {
                int[] run = [.. points[start..end].OrderBy(tables.Class)];
                for (int i = 0; i < run.Length; i++)
                {
                    points[start + i] = run[i];
                }
            }

            start = end;
        }
    }

    private static void Compose(List<int> points, Tables tables)
    {
        int starter = -1;
        int lastClass = -1;
        int write = 0;
        for (int read = 0; read < points.Count; read++)
        {
            int point = points[read];
            int value = tables.Class(point);

            // Blocked if something of the same or a higher class, or another starter, stands between; -1: nothing stands between.
            if (starter >= 0 && lastClass < value && tables.TryCompose(points[starter], point, out int composite))
            {
                points[starter] = composite;
                continue;
            }

            if (value == 0)
            {
                starter = write;
                lastClass = -1;
            }
            else
            {
                lastClass = value;
            }

            points[write++] = point;
        }

        points.RemoveRange(write, points.Count - write);
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, int> _classes = [];
        private readonly Dictionary<long, int> _compositions = [];

        public Dictionary<int, int[]> Canonical { get; } = [];

        public Dictionary<int, int[]> Compatibility { get; } = [];

        public static Tables Load()
        {
            Tables tables = new();
            foreach (string line in UnicodeResource.Lines("normalization.txt"))
            {
                string[] fields = line.Split(' ');
                switch (fields[0])
                {
                    case "class":
                        foreach (string field in fields.AsSpan(2))
                        {
                            tables._classes.Add(Hex(field), int.Parse(fields[1], CultureInfo.InvariantCulture));
                        }

                        break;
                    case "composition":
                        foreach ((int[] from, int[] to) in fields.Skip(1).Select(Mapping))
                        {
                            tables._compositions.Add(Pair(from[0], from[1]), to[0]);
                        }

                        break;
                    default:
                        Dictionary<int, int[]> target = fields[0] == "canonical" ? tables.Canonical : tables.Compatibility;
                        foreach ((int[] from, int[] to) in fields.Skip(1).Select(Mapping))
                        {
                            target.Add(from[0], to);
                        }

                        break;
                }
            }

            return tables;
        }

        public int Class(int point) => point < 0x300 ? 0 : _classes.GetValueOrDefault(point);

        public bool TryCompose(int first, int second, out int composite)
        {
            int lead = first - LeadBase;
            int vowel = second - VowelBase;
            if (lead is >= 0 and < 19 && vowel is >= 0 and < Vowels)
            {
                composite = SyllableBase + (((lead * Vowels) + vowel) * Tails);
                return true;
            }

            int syllable = first - SyllableBase;
            int tail = second - TailBase;
            if (syllable is >= 0 and < Syllables && syllable % Tails == 0 && tail is > 0 and < Tails)
            {
                composite = first + tail;
                return true;
            }

            return _compositions.TryGetValue(Pair(first, second), out composite);
        }

        private static long Pair(int first, int second) => ((long)first << 32) | (uint)second;

        private static (int[] From, int[] To) Mapping(string field)
        {
            string[] sides = field.Split('=');
            return (Points(sides[0]), Points(sides[1]));
        }

        private static int[] Points(string text) => [.. text.Split('.').Select(Hex)];

        private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
