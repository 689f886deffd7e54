using System.Text.Json.Nodes;
using CsCheck;
using Conclave.Text.Tokenization;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>Texts of which it is known, before or while they are encoded, that they have too many tokens.</summary>
public sealed class EncodingLimitTests
{
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.OneOf("the fox", "  ", "\n", "'s", "123", "é", "中文", "😀", "<think>", "<｜User｜>", "[BOS]", "\ud800", "........", "\0"),
        Gen.Int[0x20, 0x10FFFF].Where(static point => point is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32)).Array[0, 60].Select(string.Concat);

    private static readonly Tokenizer[] All =
    [
        Tokenizers.Fable,
        Tokenizers.Kimi,
        Tokenizers.Load(Tokenizers.Small(["t h", "th e"], Tokenizers.Sequence(Tokenizers.Split("x+", "Removed"), Tokenizers.ByteLevel()))),
        Tokenizers.Load(Tokenizers.Small(["a b", "c d", "ab cd"])),
    ];

    [Fact]
    public void NoTextIsRefusedThatHasNotTooManyTokens() => Gen.Select(Texts, Gen.Int[0, 80], Gen.Bool).Sample(static (text, most, special) =>
    {
        foreach (Tokenizer tokenizer in All)
        {
            int[] whole = tokenizer.Ids(text, special);
            List<int> ids = [];
            long count = tokenizer.Encode(text, ids, special, most: most);
            if (whole.Length <= most)
            {
                Assert.Equal(whole, ids);
                Assert.Equal(whole.Length, count);
            }
            else
            {
                Assert.InRange(count, most + 1, whole.Length);
                Assert.InRange(ids.Count, 0, whole.Length);
            }
        }
    });

    [Fact]
    public void AsManyTokensAsATextHasAtLeastItHasWhereAllAreTheLongest()
    {
        Tokenizer tokenizer = Tokenizers.Load(Tokenizers.Small(["a b", "c d", "ab cd"]));
        string text = string.Concat(Enumerable.Repeat("abcd", 1000)) + new string('x', 500);
        List<int> ids = [];
        Assert.Equal(1500, tokenizer.Encode(text, ids, addSpecialTokens: false, most: 1499));
        Assert.Empty(ids);
        Assert.Equal(1500, tokenizer.Encode(text, ids, addSpecialTokens: false, most: 1500));
        Assert.Equal(1500, ids.Count);
    }

    /// <summary>Where tokens are not the bytes of the text, its length says nothing.</summary>
    [Theory]
    [InlineData("removed")]
    [InlineData("normalized")]
    [InlineData("stripped")]
    [InlineData("unknown")]
    public void LengthSaysNothingWhereTextIsLeftOut(string how)
    {
        JsonObject json = Tokenizers.Small(["t h"]);
        switch (how)
        {
            case "removed":
                json["pre_tokenizer"] = Tokenizers.Sequence(Tokenizers.Split(" +", "Removed"), Tokenizers.ByteLevel());
                break;
            case "normalized":
                json["normalizer"] = JsonNode.Parse("""{"type": "Replace", "pattern": {"Regex": " +"}, "content": ""}""");
                break;
            case "stripped":
                json["added_tokens"] = JsonNode.Parse("""[{"id": 1000, "content": "<a>", "lstrip": true, "special": true}]""");
                break;
            default:
                json["model"]!["vocab"]!.AsObject().Remove(ByteAlphabet.Character((byte)' ').ToString());
                break;
        }

        List<int> ids = [];
        Assert.Equal(1, Tokenizers.Load(json).Encode(new string(' ', 5000) + (how == "stripped" ? "<a>" : "x"), ids, addSpecialTokens: false, most: 1));
        Assert.Single(ids);
    }

    [Fact]
    public void EncodingStopsWhereItIsOfNoUse()
    {
        // Longer tokens than those of the text: only encoding tells how many there are.
        Tokenizer tokenizer = Tokenizers.Load(Tokenizers.Small(["x y", "xy xy", "xyxy xyxy"], Tokenizers.Sequence(Tokenizers.Split("x", "Isolated"), Tokenizers.ByteLevel())));
        List<int> ids = [];
        Assert.Equal(2001, tokenizer.Encode(new string('x', 10_000), ids, addSpecialTokens: false, most: 2000));
        Assert.Equal(2001, ids.Count);
    }

    [Fact]
    public void EncodingCanBeCancelled()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        foreach (Tokenizer tokenizer in All)
        {
            Assert.Throws<OperationCanceledException>(() => tokenizer.Encode("the fox", [], addSpecialTokens: false, cancellation: source.Token));
        }
    }
}
