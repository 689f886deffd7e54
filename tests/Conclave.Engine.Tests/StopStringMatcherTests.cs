using System.Text;
using CsCheck;

namespace Conclave.Engine.Tests;

public sealed class StopStringMatcherTests
{
    /// <summary>Two letters and short strings make borders, overlaps and stops within stops common.</summary>
    [Fact]
    public void Any_cutting_gives_what_a_search_of_the_whole_text_gives()
    {
        Gen<string> letters = Gen.Char["ab"].Array[0, 30].Select(c => new string(c));
        Gen<string> stop = Gen.Char["ab"].Array[1, 6].Select(c => new string(c));
        Gen.Select(letters, stop.Array[0, 4], Gen.Int[0, 4].Array[1, 40], Gen.Int[0, 5], Gen.Bool).Sample((text, stops, cuts, passing, include) =>
        {
            // Stop strings that end in the first pieces do not count.
            int first = Math.Min(text.Length, cuts.Take(passing).Sum());
            (string expected, string? found) = Search(text, stops, first, include);
            StopStringMatcher matcher = new(stops, include);
            StringBuilder actual = new();
            int at = 0;
            for (int i = 0; at < text.Length; i++)
            {
                int length = Math.Min(i < cuts.Length ? cuts[i] : 1, text.Length - at);
                string before = text[..at];
                actual.Append(matcher.Append(text.AsSpan(at, length), mayStop: at >= first));
                at += length;
                AssertNothingIsHeldInVain(text[..at], actual.ToString(), stops, matcher.Found);
                Assert.StartsWith(actual.ToString(), expected);
            }

            actual.Append(matcher.Finish());
            Assert.Equal(expected, actual.ToString());
            Assert.Equal(found, matcher.Found);
        }, iter: 50_000);
    }

    private static void AssertNothingIsHeldInVain(string sofar, string shown, string[] stops, string? found)
    {
        string held = sofar[shown.Length..];
        if (found is null && held.Length > 0)
        {
            Assert.Contains(stops, s => s.StartsWith(held, StringComparison.Ordinal));
        }
    }

    private static (string Text, string? Found) Search(string text, string[] stops, int first, bool include)
    {
        for (int end = first + 1; end <= text.Length; end++)
        {
            string? longest = stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length);
            if (longest is not null)
            {
                return (text[..(include ? end : end - longest.Length)], longest);
            }
        }

        return (text, null);
    }

    [Fact]
    public void Text_after_a_stop_is_ignored_and_long_pieces_fit()
    {
        StopStringMatcher matcher = new(["END"]);
        string piece = new('x', 10_000);
        Assert.Equal(piece, matcher.Append(piece + "E"));
        Assert.Equal("", matcher.Append("N"));
        Assert.Equal("ENE" + piece, matcher.Append("E" + piece));
        Assert.Equal("tail", matcher.Append("tailEND of it"));
        Assert.Equal("END", matcher.Found);
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Finish());
    }

    [Fact]
    public void An_empty_stop_string_is_refused() => Assert.Throws<ArgumentException>(() => new StopStringMatcher(["a", ""]));
}
