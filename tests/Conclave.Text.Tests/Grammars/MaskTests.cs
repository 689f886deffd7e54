using System.Text.Json.Nodes;
using Conclave.Text.Grammars;
using CsCheck;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Masks say what the matcher does, with warm and cold caches.</summary>
public class MaskTests
{
    [Fact]
    public void MasksAreWhatAFreshMatcherAcceptsTokenByToken() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            JsonObject schema = new RandomSchemas(random).Schema();
            Grammar grammar = random.Next(8) == 0 ? Grammar.JsonObject() : Vocabularies.FromSchema(schema.ToJsonString());
            TokenMasks masks = Vocabularies.Small();
            GrammarMatcher matcher = masks.CreateMatcher(grammar);
            List<int> taken = [];
            for (int step = 0; step < 25 && !matcher.IsEnded; step++)
            {
                uint[] mask = matcher.Mask(masks);
                GrammarMatcher fresh = Vocabularies.Small().CreateMatcher(grammar);
                Assert.All(taken, token => Assert.True(fresh.TryAccept(token)));
                for (int token = 0; token < masks.VocabularySize; token++)
                {
                    bool accepted = fresh.Clone().TryAccept(token);
                    Assert.True(mask.Has(token) == accepted, $"token {token} after {string.Join(' ', taken)} under {schema.ToJsonString()}");
                }

                List<int> allowed = mask.Allowed();
                int next = allowed[random.Next(allowed.Count)];
                Assert.True(matcher.TryAccept(next));
                taken.Add(next);
            }
        },
        iter: 40);

    [Fact]
    public void TokensOfTheBundledModelAreMaskedAsTheirBytesAre()
    {
        TokenMasks masks = Vocabularies.Fable;
        GrammarMatcher matcher = masks.CreateMatcher(Grammar.JsonObject());
        Random random = new(5);
        for (int step = 0; step < 40 && !matcher.IsEnded; step++)
        {
            uint[] mask = matcher.Mask(masks);
            for (int token = 0; token < masks.VocabularySize; token++)
            {
                Assert.Equal(matcher.Clone().TryAccept(token), mask.Has(token));
            }

            List<int> allowed = mask.Allowed();
            Assert.True(matcher.TryAccept(allowed[random.Next(allowed.Count)]));
        }
    }

    [Fact]
    public void CopyingLeavesNoTrace() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            Grammar grammar = Vocabularies.FromSchema(new RandomSchemas(random).Schema().ToJsonString());
            TokenMasks masks = Vocabularies.Small();
            GrammarMatcher matcher = masks.CreateMatcher(grammar);
            List<int> taken = [];
            for (int step = 0; step < 120 && !matcher.IsEnded; step++)
            {
                GrammarMatcher copy = matcher.Clone();
                List<int> allowed = matcher.Mask(masks).Allowed();
                int token = allowed[random.Next(allowed.Count)];
                Assert.True(matcher.TryAccept(token));
                taken.Add(token);
                Assert.True(copy.TryAccept(allowed[0]));
            }

            GrammarMatcher fresh = Vocabularies.Small().CreateMatcher(grammar);
            Assert.All(taken, token => Assert.True(fresh.TryAccept(token)));
            Assert.Equal(fresh.Mask(masks), matcher.Mask(masks));
            Assert.Equal((fresh.IsComplete, fresh.IsEnded), (matcher.IsComplete, matcher.IsEnded));
        },
        iter: 60);

    [Fact]
    public void EmptiedCachesChangeNothing() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Grammar grammar = Vocabularies.FromSchema(new RandomSchemas(new Random(seed)).Schema().ToJsonString());
            TokenMasks forgetful = new(Vocabularies.SmallTokens, [0], cacheLimit: 1000);
            TokenMasks masks = Vocabularies.Small();
            Assert.Equal(masks.CreateMatcher(grammar).Walk(masks, new Random(seed)), forgetful.CreateMatcher(grammar).Walk(forgetful, new Random(seed)));
        },
        iter: 60);

    [Fact]
    public void WhatOtherGrammarsHaveComputedChangesNothing() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            TokenMasks shared = Vocabularies.Small();
            for (int i = 0; i < 4; i++)
            {
                Grammar grammar = Vocabularies.FromSchema(new RandomSchemas(random).Schema().ToJsonString());
                TokenMasks alone = Vocabularies.Small();
                GrammarMatcher matcher = alone.CreateMatcher(grammar);
                GrammarMatcher other = shared.CreateMatcher(grammar);
                for (int step = 0; step < 40 && !matcher.IsEnded; step++)
                {
                    uint[] mask = matcher.Mask(alone);
                    Assert.Equal(mask, other.Mask(shared));
                    List<int> allowed = mask.Allowed();
                    int token = allowed[random.Next(allowed.Count)];
                    Assert.True(matcher.TryAccept(token) && other.TryAccept(token));
                }
            }
        },
        iter: 40);

    [Fact]
    public void SeveralThreadsShareOneGrammar()
    {
        TokenMasks masks = Vocabularies.Small();
        Grammar grammar = Grammar.JsonObject();
        byte[][] texts = new byte[8][];
        Parallel.For(0, 8, i => texts[i] = masks.CreateMatcher(grammar).Walk(masks, new Random(i)));
        for (int i = 0; i < 8; i++)
        {
            TokenMasks alone = Vocabularies.Small();
            Assert.Equal(alone.CreateMatcher(grammar).Walk(alone, new Random(i)), texts[i]);
        }
    }

    [Fact]
    public void MasksHaveTheirLength()
    {
        TokenMasks masks = Vocabularies.Small();
        GrammarMatcher matcher = masks.CreateMatcher(Grammar.JsonObject());
        Assert.Throws<ArgumentException>(() => matcher.FillMask(new uint[masks.MaskWords - 1]));
        uint[] longer = [.. Enumerable.Repeat(uint.MaxValue, masks.MaskWords + 3)];
        matcher.FillMask(longer);
        Assert.Equal([.. matcher.Mask(masks), 0, 0, 0], longer);
        Assert.False(matcher.TryAccept(-1));
        Assert.False(matcher.TryAccept(masks.VocabularySize));
        Assert.False(matcher.TryAccept(int.MaxValue));
    }
}
