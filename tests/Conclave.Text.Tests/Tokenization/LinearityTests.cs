using Conclave.Primitives;
using Conclave.Text.Patterns;
using Conclave.Text.Tokenization;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Work grows with the text, not with its square; counted in steps, since clocks of shared machines prove nothing.</summary>
public sealed class LinearityTests
{
    private const string GlmPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string KimiPattern =
        @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*|\p{N}{1,3}|\s+(?!\S)|\s+";

    [Theory]
    [InlineData(GlmPattern)]
    [InlineData(KimiPattern)]
    public void PatternsOfModelsTakeFewStepsPerCodePoint(string pattern)
    {
        Pattern compiled = new(pattern);
        foreach (string unit in (string[])[" ", "a", "A", "7", "\n", "   \n", "\t ", "😀", "中", "あ", "\u0301", "'", "!", "aB1 ", "\0"])
        {
            int[] text = CodePoints.From(string.Concat(Enumerable.Repeat(unit, 200_000 / unit.Length)));
            MatchState state = new(text.Length);
            long before = state.StepsLeft;
            int last = -1;
            while (compiled.TryNext(text, last, state, out _, out int end))
            {
                last = end;
            }

            long steps = before - state.StepsLeft;
            Assert.True(steps < 40L * text.Length, $"'{unit}': {steps} steps for {text.Length} code points");
        }
    }

    [Theory]
    [InlineData("(a+)+b")]
    [InlineData("(a|a)*b")]
    [InlineData("(a*)*b")]
    [InlineData(@"(\w+\s?)+!")]
    [InlineData("a+b")]
    public void EndlessBacktrackingEnds(string pattern)
    {
        Pattern compiled = new(pattern);
        int[] text = CodePoints.From(new string('a', 100_000));
        UserErrorException e = Assert.Throws<UserErrorException>(() => compiled.TryFind(text, 0, new MatchState(text.Length), out _, out _));
        Assert.Contains(pattern, e.Message, StringComparison.Ordinal);
    }

    // "a", "aa", "aaaa", … up to 2^18: a quadratic merge would take hours for these.
    [Fact]
    public void AMillionEqualLettersMerge()
    {
        List<string> merges = [];
        for (string token = "a"; token.Length < 1 << 12; token += token)
        {
            merges.Add($"{token} {token}");
        }

        Tokenizer tokenizer = Tokenizers.Load(Tokenizers.Small([.. merges]));
        int[] ids = tokenizer.Ids(new string('a', 1_000_000));
        Assert.Equal(1_000_000 >> 12, ids.Count(id => tokenizer.TokenBytes(id).Length == 1 << 12));
        Assert.Equal(1_000_000, ids.Sum(id => tokenizer.TokenBytes(id).Length));
    }

    [Fact]
    public void LongRunsOfMarksAreOrdered()
    {
        int[] text = [.. Enumerable.Range(0, 300_000).Select(static i => i % 2 == 0 ? 0x301 : 0x323)];
        int[] ordered = Unicode.NormalForm.Apply(text, compatibility: false, compose: true);
        Assert.Equal(Enumerable.Repeat(0x323, 150_000).Concat(Enumerable.Repeat(0x301, 150_000)), ordered);
    }
}
