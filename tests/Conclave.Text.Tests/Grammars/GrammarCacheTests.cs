using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Tests.Grammars;

public class GrammarCacheTests
{
    [Fact]
    public void TheLeastRecentlyUsedIsForgotten()
    {
        GrammarCache cache = new(2_500);
        Grammar a = cache.GetOrAdd("a", () => Grammar.Literal("a"));
        Grammar b = cache.GetOrAdd("b", () => Grammar.Literal("b"));
        Assert.Same(a, cache.GetOrAdd("a", () => Grammar.Literal("another")));
        Grammar c = cache.GetOrAdd("c", () => Grammar.Literal("c"));
        Assert.Equal(2, cache.Count);
        Assert.Same(a, cache.GetOrAdd("a", () => Grammar.Literal("another")));
        Assert.Same(c, cache.GetOrAdd("c", () => Grammar.Literal("another")));
        Assert.NotSame(b, cache.GetOrAdd("b", () => Grammar.Literal("b")));
    }

    [Fact]
    public void GrammarsAndTheirMasksCount()
    {
        const string Schema = """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"number"}}},"required":["a","b"]}""";
        TokenMasks masks = Vocabularies.Small();
        Grammar first = Vocabularies.FromSchema(Schema);
        long compiled = first.Bytes;
        GrammarCache cache = new(2 * (compiled + 2_000));
        cache.GetOrAdd("first", () => first);
        cache.GetOrAdd("second", () => Vocabularies.FromSchema(Schema));
        _ = cache.GetOrAdd("second", () => throw new InvalidOperationException());
        Assert.Equal(2, cache.Count);

        // What is computed for the older one makes the two too much.
        _ = masks.CreateMatcher(first).Walk(masks, new Random(1));
        Assert.True(first.Bytes > 2 * compiled, $"{first.Bytes} bytes, {compiled} without masks");
        _ = cache.GetOrAdd("second", () => throw new InvalidOperationException());
        Assert.Equal(1, cache.Count);

        // The one in use stays, whatever it takes.
        cache.GetOrAdd("first", () => first);
        Assert.Same(first, cache.GetOrAdd("first", () => throw new InvalidOperationException()));
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void WhatCannotBeMadeIsNotKept()
    {
        GrammarCache cache = new(2_500);
        Assert.Throws<UserErrorException>(() => cache.GetOrAdd("a", () => throw new UserErrorException("no")));
        Assert.Equal(0, cache.Count);
        Grammar a = Grammar.Literal("a");
        Assert.Same(a, cache.GetOrAdd("a", () => a));
    }

    [Fact]
    public void ManyThreadsShareOne()
    {
        GrammarCache cache = new(3_500);
        int made = 0;
        Grammar[] all = new Grammar[64];
        Parallel.For(0, all.Length, i => all[i] = cache.GetOrAdd("one", () =>
        {
            Interlocked.Increment(ref made);
            return Grammar.Literal("one");
        }));
        Assert.Equal(1, made);
        Assert.All(all, grammar => Assert.Same(all[0], grammar));
        Parallel.For(0, 1000, i => cache.GetOrAdd($"{i % 7}", () => Grammar.Literal("x")));
        Assert.Equal(3, cache.Count);
    }
}
