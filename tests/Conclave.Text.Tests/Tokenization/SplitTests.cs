using System.Text.Json.Nodes;
using Conclave.Text.Tokenization;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Where pre-tokenizers cut, seen through a vocabulary that would merge any two letters, digits or spaces.</summary>
public sealed class SplitTests
{
    // Hugging Face's own example for Split: "How are you doing?" with \w+|[^\w\s]+ inverted.
    [Theory]
    [InlineData("Removed", "How|are|you|doing|?")]
    [InlineData("Isolated", "How| |are| |you| |doing|?")]
    [InlineData("MergedWithPrevious", "How |are |you |doing|?")]
    [InlineData("MergedWithNext", "How| are| you| doing|?")]
    [InlineData("Contiguous", "How| |are| |you| |doing?")]
    public void BehavesAsTheReferenceDocuments(string behavior, string expected) =>
        Assert.Equal(expected, Cut("How are you doing?", Tokenizers.Split(@"\w+|[^\w\s]+", behavior, invert: true)));

    [Theory]
    [InlineData("Removed", "the|final|countdown")]
    [InlineData("Isolated", "the|-|final|-|-|countdown")]
    [InlineData("MergedWithPrevious", "the-|final-|-|countdown")]
    [InlineData("MergedWithNext", "the|-final|-|-countdown")]
    [InlineData("Contiguous", "the|-|final|--|countdown")]
    public void CutsAtAPlainText(string behavior, string expected)
    {
        JsonObject step = Tokenizers.Split(string.Empty, behavior);
        step["pattern"] = new JsonObject { ["String"] = "-" };
        Assert.Equal(expected, Cut("the-final--countdown", step));
    }

    [Theory]
    [InlineData(true, "a|1|2|b|½|Ⅷ|٣")]
    [InlineData(false, "a|12|b|½Ⅷ٣")]
    public void DigitsAreNumbersOfAnyKind(bool individual, string expected) =>
        Assert.Equal(expected, Cut("a12b½Ⅷ٣", new JsonObject { ["type"] = "Digits", ["individual_digits"] = individual }));

    [Fact]
    public void BytesFollowGpt2WithAPrefixSpace()
    {
        JsonObject step = Tokenizers.ByteLevel();
        step["add_prefix_space"] = true;
        step["use_regex"] = true;
        Assert.Equal(" Hello| my|  | friend|'s|!", Cut("Hello my   friend's!", step, last: null));
    }

    private static string Cut(string text, JsonNode step) => Cut(text, step, Tokenizers.ByteLevel());

    // Every piece is one token: the whole piece is looked up first, and all pieces that the test expects are in the vocabulary.
    private static string Cut(string text, JsonNode step, JsonNode? last)
    {
        JsonNode[] steps = last is null ? [step] : [step, last];
        JsonObject json = Tokenizers.Small([], Tokenizers.Sequence(steps));
        JsonObject vocab = json["model"]!["vocab"]!.AsObject();
        string padded = " " + text;
        for (int start = 0; start < padded.Length; start++)
        {
            for (int end = start + 1; end <= padded.Length; end++)
            {
                vocab.TryAdd(ByteAlphabet.Text(System.Text.Encoding.UTF8.GetBytes(padded[start..end])), vocab.Count);
            }
        }

        json["model"]!["ignore_merges"] = true;
        Tokenizer tokenizer = Tokenizers.Load(json);
        return string.Join('|', tokenizer.Ids(text).Select(id => tokenizer.Decode([id], skipSpecialTokens: false)));
    }
}
