using System.Text;
using CsCheck;
using Conclave.Text.Tokenization;

namespace Conclave.Text.Tests.Tokenization;

/// <summary>What holds for every text and every sequence of ids.</summary>
public sealed class PropertyTests
{
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.OneOf(
            "the", " ", "  ", "\n", "\r\n", "'s", "1", "23", "é", "e\u0301", "中文", "あ", "한", "😀", "👨‍👩‍👧", "<think>", "<｜User｜>", "[BOS]", "\u00A0",
            "\0", "\u2028", "_", "ABC"),
        Gen.Int[0x20, 0x10FFFF].Where(static point => point is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32)).Array[0, 40].Select(string.Concat);

    private static readonly Tokenizer[] All = [Tokenizers.Fable, Tokenizers.Kimi];

    [Fact]
    public void DecodingGivesTheTextBack() => Texts.Sample(static text =>
    {
        foreach (Tokenizer tokenizer in All)
        {
            Assert.Equal(text, tokenizer.Decode(tokenizer.Ids(text), skipSpecialTokens: false));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Ids(text, recognizeSpecial: false), skipSpecialTokens: true));
        }
    });

    [Fact]
    public void StreamedPartsAreTheWholeText() => Gen.Int[0, Tokenizers.Fable.VocabularySize - 1].Array[0, 60].Sample(static ids =>
    {
        foreach (bool skip in (bool[])[false, true])
        {
            StreamingDetokenizer stream = new(Tokenizers.Fable, skip);
            StringBuilder text = new();
            foreach (int id in ids)
            {
                string part = stream.Append(id);
                Assert.False(part.Length > 0 && (char.IsHighSurrogate(part[^1]) || char.IsLowSurrogate(part[0])));
                text.Append(part);
            }

            text.Append(stream.Flush());
            Assert.Equal(Tokenizers.Fable.Decode(ids, skip), text.ToString());

            byte[] bytes = [.. ids.Where(id => !skip || !Tokenizers.Fable.IsSpecial(id)).SelectMany(static id => Tokenizers.Fable.TokenBytes(id).ToArray())];
            Assert.Equal(Encoding.UTF8.GetString(bytes), text.ToString());
        }
    });

    // Single bytes: every way in which UTF-8 can be broken or cut.
    [Fact]
    public void BrokenBytesBecomeOneReplacementPerMaximalPart() =>
        Gen.OneOf(Gen.Byte, Gen.OneOf<byte>(0xF0, 0x9F, 0x98, 0x80, 0xE4, 0xB8, 0xAD, 0xC3, 0xA9, 0xED, 0xA0, 0xF4, 0x90)).Array[0, 12].Sample(static bytes =>
        {
            StreamingDetokenizer stream = new(Tokenizers.Kimi, skipSpecial: false);
            string streamed = string.Concat(bytes.Select(value => stream.Append(value))) + stream.Flush();
            Assert.Equal(Encoding.UTF8.GetString(bytes), streamed);
            Assert.Equal(streamed, Tokenizers.Kimi.Decode([.. bytes.Select(static value => (int)value)], skipSpecialTokens: false));
        });

    [Fact]
    public void HalfACharacterIsHeldBack()
    {
        StreamingDetokenizer stream = new(Tokenizers.Kimi, skipSpecial: false);
        Assert.Equal(string.Empty, stream.Append(0xF0));
        Assert.Equal(string.Empty, stream.Append(0x9F));
        Assert.Equal(string.Empty, stream.Append(0x98));
        Assert.Equal("😀", stream.Append(0x80));
        Assert.Equal(string.Empty, stream.Append(0xE4));
        Assert.Equal("\uFFFDa", stream.Append('a'));
        Assert.Equal("\uFFFD", stream.Append(0xFF));
        Assert.Equal(string.Empty, stream.Append(0xC3));
        Assert.Equal("\uFFFD", stream.Flush());
    }

    [Fact]
    public void TiktokenMergesTheLowestRank()
    {
        Dictionary<string, int> ranks = Tokenizers.KimiRanks()
            .Select(static (token, rank) => (ByteAlphabet.Text(token), rank)).ToDictionary(static pair => pair.Item1, static pair => pair.rank, StringComparer.Ordinal);
        BytePairModel model = new(ranks, new RankMergeTable(ranks), wholePieceFirst: true, unknown: -1, fuseUnknown: false);
        Texts.Sample(text =>
        {
            string piece = ByteAlphabet.Text(Encoding.UTF8.GetBytes(text));
            List<int> ids = [];
            model.Encode(CodePoints.From(piece), new BytePairScratch(), ids, CancellationToken.None);
            Assert.Equal(Naive(piece, ranks), ids);
        });
    }

    [Fact]
    public void ManyThreadsMayEncodeAtOnce()
    {
        string text = File.ReadAllText(Path.Combine(Conclave.Testing.Repository.Fable, "evaluation.txt"))[..20_000];
        int[] expected = Tokenizers.Fable.Ids(text);
        Parallel.For(0, 16, _ => Assert.Equal(expected, Tokenizers.Fable.Ids(text)));
    }

    // The definition: merge the neighbours of lowest rank, the leftmost of them, until none can merge. Quadratic.
    private static List<int> Naive(string piece, Dictionary<string, int> ranks)
    {
        if (ranks.TryGetValue(piece, out int whole))
        {
            return [whole];
        }

        List<string> parts = [.. piece.Select(static c => c.ToString())];
        while (true)
        {
            int best = -1;
            for (int i = 0; i + 1 < parts.Count; i++)
            {
                if (ranks.TryGetValue(parts[i] + parts[i + 1], out int rank) && (best < 0 || rank < ranks[parts[best] + parts[best + 1]]))
                {
                    best = i;
                }
            }

            if (best < 0)
            {
                return [.. parts.Select(part => ranks[part])];
            }

            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
    }
}
