using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Tests.Grammars;

public class GrammarCacheTests
{
    [Fact]
    public void TheLeastRecentlyUsedIsForgotten()
    {
        GrammarCache cache = new(2);
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
    public void WhatCannotBeMadeIsNotKept()
    {
        GrammarCache cache = new(2);
        Assert.Throws<UserErrorException>(() => cache.GetOrAdd("a", () => throw new UserErrorException("no")));
        Assert.Equal(0, cache.Count);
        Grammar a = Grammar.Literal("a");
        Assert.Same(a, cache.GetOrAdd("a", () => a));
    }

    [Fact]
    public void ManyThreadsShareOne()
    {
        GrammarCache cache = new(3);
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
