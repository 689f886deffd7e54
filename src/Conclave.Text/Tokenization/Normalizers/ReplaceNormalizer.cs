using Conclave.Text.Patterns;

namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>"Replace": puts one text in place of every match.</summary>
internal sealed class ReplaceNormalizer(Pattern pattern, string content) : Normalizer
{
    private readonly int[] _content = CodePoints.From(content);

    public override int[] Normalize(int[] text, TextGrowth growth)
    {
        MatchState state = new(text.Length);
        List<int> result = new(text.Length);
        int last = -1;
        while (pattern.TryNext(text, last, state, out int start, out int end))
        {
            result.AddRange(text.AsSpan(Math.Max(last, 0)..start));
            growth.Check((long)result.Count + _content.Length);
            result.AddRange(_content);
            last = end;
        }

        result.AddRange(text.AsSpan(Math.Max(last, 0)));
        return [.. result];
    }
}
