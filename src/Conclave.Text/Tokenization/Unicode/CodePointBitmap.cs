namespace Conclave.Text.Unicode;

/// <summary>A set of code points that answers membership with two loads: pages of 256 bits, equal pages stored once.</summary>
internal sealed class CodePointBitmap
{
    private readonly ushort[] _pages = new ushort[CodePointSet.Limit >> 8];
    private readonly ulong[] _bits;

    public CodePointBitmap(CodePointSet set)
    {
        List<ulong> bits = [];
        Dictionary<(ulong, ulong, ulong, ulong), ushort> known = [];
        Span<ulong> page = stackalloc ulong[4];
        ReadOnlySpan<int> edges = set.Edges;
        int edge = 0;
        for (int index = 0; index < _pages.Length; index++)
        {
            int start = index << 8;
            int end = start + 256;
            page.Clear();
            while (edge < edges.Length)
            {
                int from = Math.Max(edges[edge], start);
                int to = Math.Min(edges[edge + 1], end);
                for (int point = from; point < to; point++)
                {
                    page[(point >> 6) & 3] |= 1UL << (point & 63);
                }

                if (edges[edge + 1] > end)
                {
                    break;
                }

                edge += 2;
            }

            (ulong, ulong, ulong, ulong) key = (page[0], page[1], page[2], page[3]);
            if (!known.TryGetValue(key, out ushort place))
            {
                place = (ushort)(bits.Count >> 2);
                known.Add(key, place);
                bits.AddRange(page);
            }

            _pages[index] = place;
        }

        _bits = [.. bits];
    }

    public bool Contains(int codePoint) =>
        ((_bits[(_pages[codePoint >> 8] << 2) | ((codePoint >> 6) & 3)] >> (codePoint & 63)) & 1) != 0;
}
