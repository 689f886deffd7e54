using System.Text;
using System.Text.Json;
using Conclave.Primitives;
using Conclave.Text.Grammars;
using Conclave.Text.Tests.Tokenization;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Grammars inside fixed text and named tokens: the calls of tools.</summary>
public class CompositionTests
{
    private static readonly Grammar Arguments =
        Vocabularies.FromSchema("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}""");

    [Fact]
    public void AToolCallIsMarkersTextAndArguments()
    {
        TokenMasks masks = Vocabularies.Fable;
        Grammar Call(string name) => Grammar.Sequence(
            Grammar.Literal("<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n```json\n", Tokenizers.Fable),
            Arguments,
            Grammar.Literal("\n```<｜tool▁call▁end｜>", Tokenizers.Fable));
        Grammar calls = Grammar.Sequence(
            Grammar.Literal("<｜tool▁calls▁begin｜>", Tokenizers.Fable),
            Grammar.Repeat(Grammar.Choice(Call("get_weather"), Call("get_time")), Grammar.Literal("\n"), 1, 3),
            Grammar.Literal("<｜tool▁calls▁end｜>", Tokenizers.Fable));

        const string Text = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{\"city\": \"Paris\"}\n```<｜tool▁call▁end｜>\n"
            + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\":\"日本\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
        GrammarMatcher matcher = masks.CreateMatcher(calls);
        foreach (int token in Tokenizers.Fable.Ids(Text))
        {
            Assert.True(matcher.Mask(masks).Has(token));
            Assert.True(matcher.TryAccept(token));
        }

        Assert.True(matcher.IsComplete);
        Assert.Equal([Vocabularies.FableEnd], matcher.Mask(masks).Allowed());

        for (int seed = 0; seed < 20; seed++)
        {
            List<byte> text = [.. masks.CreateMatcher(calls).Walk(masks, new Random(seed))];
            string[] lines = Encoding.UTF8.GetString([.. text]).Split("```json\n").Skip(1).Select(static part => part.Split("\n```")[0]).ToArray();
            Assert.InRange(lines.Length, 1, 3);
            Assert.All(lines, static line => Assert.Equal(JsonValueKind.String, JsonDocument.Parse(line).RootElement.GetProperty("city").ValueKind));
        }
    }

    [Fact]
    public void ThinkingIsFreeUntilItsToken()
    {
        TokenMasks masks = Vocabularies.Fable;
        Grammar grammar = Grammar.Sequence(Grammar.AnyText(), Grammar.Literal("</think>\n", Tokenizers.Fable), Arguments);
        Assert.True(Tokenizers.Fable.TryGetId("</think>", out int end));
        GrammarMatcher matcher = masks.CreateMatcher(grammar);
        Assert.True(matcher.Mask(masks).Has(end));
        Assert.All(Tokenizers.Fable.Ids("What about {\"city\"}? 日本"), token => Assert.True(matcher.TryAccept(token)));
        Assert.False(matcher.IsComplete);
        Assert.True(matcher.TryAccept(end));
        Assert.False(matcher.TryAccept(ByteToken((byte)'{')));
        Assert.All("\n{"u8.ToArray(), value => Assert.True(matcher.TryAccept(ByteToken(value))));
    }

    [Fact]
    public void ControlTokensAreNeverText()
    {
        TokenMasks masks = Vocabularies.Fable;
        GrammarMatcher matcher = masks.CreateMatcher(Grammar.JsonObject());
        foreach (int token in Tokenizers.Fable.Ids("{\"text\": \"inside "))
        {
            Assert.True(matcher.TryAccept(token));
        }

        for (int token = 0; token < 16; token++)
        {
            Assert.False(matcher.Mask(masks).Has(token));
            Assert.False(matcher.TryAccept(token));
        }

        // The same characters as text are allowed.
        Assert.All(Encoding.UTF8.GetBytes("</think>"), value => Assert.True(matcher.TryAccept(ByteToken(value))));
    }

    [Fact]
    public void ANamedTokenIsThatTokenOnly()
    {
        TokenMasks masks = Vocabularies.Small();
        Grammar grammar = Grammar.Sequence(Grammar.Token(1), Grammar.Literal("ab"), Grammar.Token(1));
        GrammarMatcher matcher = masks.CreateMatcher(grammar);
        Assert.Equal([1], matcher.Mask(masks).Allowed());
        Assert.True(matcher.TryAccept(1));
        Assert.True(matcher.TryText("ab"));
        Assert.False(matcher.IsComplete);
        Assert.True(matcher.TryAccept(1));
        Assert.Equal([0], matcher.Mask(masks).Allowed());
        Assert.Throws<UserErrorException>(() => masks.CreateMatcher(Grammar.Token(masks.VocabularySize)));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("a", true)]
    [InlineData("a,a", true)]
    [InlineData("a,a,a", false)]
    [InlineData("a,", false)]
    [InlineData("b", true)]
    [InlineData("ab", false)]
    public void AlternativesMayBeEmptyAndOverlap(string text, bool matches)
    {
        Grammar a = Grammar.Literal("a");
        Grammar grammar = Grammar.Choice(Grammar.Literal(""), Grammar.Repeat(a, Grammar.Literal(","), 0, 2), Grammar.Sequence(a), Grammar.Literal("b"));
        Assert.Equal(matches, grammar.Matches(text));
    }

    [Fact]
    public void WhatAPersonGetsWrongIsSaid()
    {
        Assert.Throws<UserErrorException>(() => Grammar.Literal("\ud800"));
        Assert.Throws<UserErrorException>(() => new TokenMasks(Tokenizers.Fable, 1_000_000));
        Assert.Throws<ArgumentOutOfRangeException>(() => Grammar.Token(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Grammar.Choice());
        Assert.Throws<ArgumentOutOfRangeException>(() => Grammar.Repeat(Grammar.JsonObject(), Grammar.Literal(","), 3, 2));
    }

    private static int ByteToken(byte value) =>
        Enumerable.Range(16, 2000).First(id => Tokenizers.Fable.TokenBytes(id).SequenceEqual([value]));
}
