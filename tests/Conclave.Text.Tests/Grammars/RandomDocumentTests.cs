using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Text.Grammars;
using CsCheck;

namespace Conclave.Text.Tests.Grammars;

/// <summary>What is generated is valid, and what is valid can be generated, whatever the schema and the tokens are.</summary>
public class RandomDocumentTests
{
    [Fact]
    public void GeneratedDocumentsAreValid() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            JsonObject schema = new RandomSchemas(random).Schema();
            Grammar grammar = Vocabularies.FromSchema(schema.ToJsonString());
            TokenMasks masks = random.Next(2) == 0 ? Vocabularies.Fable : Vocabularies.Small();
            byte[] text = masks.CreateMatcher(grammar).Walk(masks, random);
            AssertValid(text, schema);
        },
        iter: 400);

    [Fact]
    public void ValidDocumentsAreAcceptedHoweverTheyAreTokenized() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            RandomSchemas schemas = new(random);
            JsonObject schema = schemas.Schema();
            Grammar grammar = Vocabularies.FromSchema(schema.ToJsonString());
            TokenMasks masks = Vocabularies.Small();
            for (int i = 0; i < 5; i++)
            {
                byte[] text = Encoding.UTF8.GetBytes(schemas.Document(schema));
                GrammarMatcher matcher = masks.CreateMatcher(grammar);
                foreach (int token in RandomTokens(text, random))
                {
                    Assert.True(matcher.TryAccept(token), $"{Encoding.UTF8.GetString(Vocabularies.SmallTokens[token]!)} in {Encoding.UTF8.GetString(text)} under {schema.ToJsonString()}");
                }

                Assert.True(matcher.IsComplete);
                Assert.True(matcher.TryAccept(0));
            }
        },
        iter: 400);

    [Fact]
    public void AnyObjectIsValidJson() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            TokenMasks masks = random.Next(2) == 0 ? Vocabularies.Fable : Vocabularies.Small();
            byte[] text = masks.CreateMatcher(Grammar.JsonObject()).Walk(masks, random, free: 200);
            using JsonDocument document = JsonDocument.Parse(text);
            Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
            ReadStrings(document.RootElement);
        },
        iter: 200);

    [Theory]
    [InlineData("[")]
    [InlineData("{")]
    [InlineData(" ")]
    [InlineData("\n")]
    [InlineData("1")]
    [InlineData("\\")]
    public void AModelThatIsStuckIsBroughtToAnEnd(string favourite)
    {
        TokenMasks masks = Vocabularies.Fable;
        for (int seed = 0; seed < 2; seed++)
        {
            byte[] text = masks.CreateMatcher(Grammar.JsonObject())
                .Walk(masks, new Random(seed), 1500, token => Encoding.UTF8.GetString(masks.TextOf(token)).StartsWith(favourite, StringComparison.Ordinal));
            using JsonDocument document = JsonDocument.Parse(text);
            Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
        }
    }

    [Fact]
    public void WhiteSpaceDoesNotGoOnForEver()
    {
        TokenMasks masks = Vocabularies.Small();
        foreach (string start in (string[])["{", "{\"a\":", "{\"a\":[", "{\"a\":[1", "{\"a\":[1,", "{\"a\":{\"b\":1"])
        {
            GrammarMatcher matcher = masks.CreateMatcher(Grammar.JsonObject());
            Assert.True(matcher.TryText(start));
            int taken = 0;
            while (matcher.TryText("\n") || matcher.TryText(" ") || matcher.TryText("\t") || matcher.TryText("\r"))
            {
                Assert.True(++taken <= 65);
            }

            Assert.Contains(matcher.Mask(masks).Allowed(), static token => token > 1);
        }
    }

    private static void AssertValid(byte[] text, JsonObject schema)
    {
        string json = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(text);
        using JsonDocument document = JsonDocument.Parse(text);
        ReadStrings(document.RootElement);
        string errors = Judge.ErrorsOf(json, schema);
        Assert.True(errors.Length == 0, $"{json}\nis not valid under\n{schema.ToJsonString()}\n{errors}");
    }

    // Lone surrogates are found only when a string is read.
    private static void ReadStrings(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: Assert.NotNull(element.GetString()); break;
            case JsonValueKind.Number: Assert.True(double.IsFinite(element.GetDouble())); break;
            case JsonValueKind.Array: element.EnumerateArray().ToList().ForEach(ReadStrings); break;
            case JsonValueKind.Object: element.EnumerateObject().ToList().ForEach(static p => ReadStrings(p.Value)); break;
        }
    }

    private static IEnumerable<int> RandomTokens(byte[] text, Random random)
    {
        for (int at = 0; at < text.Length;)
        {
            List<int> fitting = [.. Enumerable.Range(0, Vocabularies.SmallTokens.Length)
                .Where(token => Vocabularies.SmallTokens[token] is { } bytes && text.AsSpan(at).StartsWith(bytes))];
            int token = fitting[random.Next(fitting.Count)];
            at += Vocabularies.SmallTokens[token]!.Length;
            yield return token;
        }
    }
}
