namespace Conclave.Text.Unicode;

/// <summary>A set of code points that answers membership with two loads: pages of 256 bits; all full pages are one, all empty ones too.</summary>
internal sealed class CodePointBitmap
{
    private const int Words = 4;
    private const ushort EmptyPage = 0;
    private const ushort FullPage = 1;

    private readonly ushort[] _pages = new ushort[CodePointSet.Limit >> 8];
    private readonly ulong[] _bits;

    public CodePointBitmap(CodePointSet set)
    {
        List<ulong> bits = [0, 0, 0, 0, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue];
        ReadOnlySpan<int> edges = set.Edges;
        for (int i = 0; i < edges.Length; i += 2)
        {
            int end = edges[i + 1];
            for (int at = edges[i]; at < end;)
            {
                int page = at >> 8;
                if ((at & 255) == 0 && end - at >= 256)
                {
                    _pages[page] = FullPage;
                    at += 256;
                    continue;
                }

                if (_pages[page] == EmptyPage)
                {
                    _pages[page] = (ushort)(bits.Count / Words);
                    bits.AddRange([0, 0, 0, 0]);
                }

                for (int last = Math.Min(end, (page + 1) << 8); at < last; at++)
                {
                    bits[(_pages[page] * Words) + ((at >> 6) & 3)] |= 1UL << (at & 63);
                }
            }
        }

        _bits = [.. bits];
    }

    public bool Contains(int codePoint) =>
        ((_bits[(_pages[codePoint >> 8] * Words) + ((codePoint >> 6) & 3)] >> (codePoint & 63)) & 1) != 0;
}
