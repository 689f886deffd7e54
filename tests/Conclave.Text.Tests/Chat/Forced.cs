using System.Text;
using Conclave.Text.Grammars;
using Conclave.Text.Tests.Grammars;
using Conclave.Text.Tests.Tokenization;

namespace Conclave.Text.Tests.Chat;

/// <summary>What grammars of whole outputs force fable's tokenizer to write.</summary>
internal static class Forced
{
    private static readonly string[] Ends = ["</think>", "</arg_value>"];

    /// <summary>Whether a grammar allows a text, as the tokenizer cuts it.</summary>
    public static bool Allows(Grammar grammar, string text)
    {
        GrammarMatcher matcher = Vocabularies.Fable.CreateMatcher(grammar);
        return Tokenizers.Fable.Ids(text).All(matcher.TryAccept) && matcher.IsComplete;
    }

    /// <summary>A random text that a grammar allows, tokens of its own included.</summary>
    public static string Write(Grammar grammar, TokenMasks masks, Tokenizer tokenizer, Random random)
    {
        GrammarMatcher matcher = masks.CreateMatcher(grammar);
        StreamingDetokenizer detokenizer = new(tokenizer, skipSpecial: false);
        StringBuilder text = new();
        for (int step = 0; step < 5_000; step++)
        {
            List<int> allowed = matcher.Mask(masks).Allowed();
            Assert.True(allowed.Count > 0, $"nothing can follow {text}");
            int end = masks.EndTokens[0];
            List<int> named = [.. allowed.Where(token => masks.TextOf(token).IsEmpty && token != end)];
            List<int> single = [.. allowed.Where(token => masks.TextOf(token).Length == 1 && token != end)];
            List<int> closing = [.. single.Where(token => masks.TextOf(token)[0] is (byte)'"' or (byte)']' or (byte)'}')];

            // Patterns end with certain characters, and so does the scheme of a URI.
            List<int> endings = [.. single.Where(token => masks.TextOf(token)[0] is (byte)'b' or (byte)'0' or (byte)'a' or (byte)':')];
            bool late = step > 80;

            // Lists of objects of many texts would else go on for thousands of steps once in a while.
            bool overdue = step > 1_000;
            if (random.Next(late ? 4 : 20) == 0 && Ends.FirstOrDefault(ending => CanTake(matcher, ending, tokenizer)) is { } tag)
            {
                // Nobody spells a tag by chance.
                Assert.All(tokenizer.Ids(tag, recognizeSpecial: false), token => Assert.True(matcher.TryAccept(token)));
                text.Append(tag);
                continue;
            }

            int next = allowed.Contains(end) && (late || random.Next(3) == 0) ? end
                : named.Count > 0 && (late || random.Next(6) == 0) ? named[random.Next(named.Count)]
                : closing.Count > 0 && (overdue ? random.Next(4) > 0 : random.Next(late ? 2 : 8) == 0) ? closing[random.Next(closing.Count)]
                : late && random.Next(4) == 0 && endings.Count > 0 ? endings[random.Next(endings.Count)]
                : late && single.Count > 0 && random.Next(2) == 0 ? single[random.Next(single.Count)]
                : allowed[random.Next(allowed.Count)];
            Assert.True(matcher.TryAccept(next));
            if (next == end)
            {
                return text.Append(detokenizer.Flush()).ToString();
            }

            text.Append(detokenizer.Append(next));
        }

        throw new InvalidOperationException($"no end: {text.ToString()[..200]}");
    }

    private static bool CanTake(GrammarMatcher matcher, string tag, Tokenizer tokenizer)
    {
        int[] ids = tokenizer.Ids(tag, recognizeSpecial: false);
        return ids.All(matcher.Clone().TryAccept) && !matcher.IsComplete;
    }
}
