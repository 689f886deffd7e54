using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Tests.Templates;

public sealed class LimitTests
{
    private static readonly JsonElement Nothing = JsonDocument.Parse("{}").RootElement;

    [Theory]
    [InlineData("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", TemplateErrorKind.RecursionError)]
    [InlineData("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(100) }}")]
    [InlineData("{{ 'a' * 1000000000 }}")]
    [InlineData("{{ [0] * 1000000000 }}")]
    [InlineData("{{ 'a' * 10 ** 30 }}", TemplateErrorKind.OverflowError)]
    [InlineData("{{ 7 ** (7 ** (7 ** 7)) }}")]
    [InlineData("{{ 'a'.center(1000000000) }}")]
    [InlineData("{{ 'a'.ljust(2000000000) }}")]
    [InlineData("{{ '1'.zfill(2000000000) }}")]
    [InlineData("{{ '\t'.expandtabs(2000000000) }}")]
    [InlineData("{{ '%2000000000d' % 1 }}")]
    [InlineData("{{ '%.2000000000f' % 1 }}")]
    [InlineData("{{ '{:2000000000}'.format(1) }}")]
    [InlineData("{{ '{:.2000000000f}'.format(1.5) }}")]
    [InlineData("{{ 'a' | indent(2000000000, true) }}")]
    [InlineData("{{ 'a' | center(2000000000) }}")]
    [InlineData("{{ [1] | tojson(indent=2000000000) }}")]
    [InlineData("{{ [1] | batch(2000000000, 0) | list }}")]
    [InlineData("{{ [1] | slice(2000000000) | list }}")]
    [InlineData("{{ ('a' * 5000000).replace('a', 'b' * 5000000) }}")]
    [InlineData("{{ ('b' * 1000000).join('a' * 1000000) }}")]
    [InlineData("{% set ns = namespace(s='abcdefgh') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s[0] }}")]
    [InlineData("{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}", TemplateErrorKind.RecursionError)]
    [InlineData("{% set ns = namespace(s=()) %}{% for i in range(100000) %}{% set ns.s = {1: ns.s} %}{% endfor %}", TemplateErrorKind.RecursionError)]
    [InlineData("{% set ns = namespace(s='a') %}{% for i in range(100000) %}{% set ns.s = ns.s | map('upper') %}{% endfor %}{{ ns.s | list }}", TemplateErrorKind.RecursionError)]
    [InlineData("{% set ns = namespace(n=3) %}{% for i in range(1000) %}{% set ns.n = ns.n * ns.n %}{% endfor %}")]
    [InlineData("{% set x %}{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}{% endset %}")]
    [InlineData("{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}")]
    [InlineData("{{ range(100001) }}", TemplateErrorKind.OverflowError)]
    [InlineData("{{ range(10 ** 40) }}", TemplateErrorKind.OverflowError)]
    [InlineData("{% for i in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}", TemplateErrorKind.RecursionError)]
    public void HostileTemplatesEnd(string template, TemplateErrorKind kind = TemplateErrorKind.LimitError)
    {
        ChatTemplate parsed = ChatTemplate.Parse(template, "hostile");
        TemplateException e = Assert.Throws<TemplateException>(() => parsed.Render(Nothing));
        Assert.Equal(kind, e.Kind);
    }

    // Copies of what is left, or of what is there already, would be gigabytes.
    [Theory]
    [InlineData("{{ words.rsplit() | length }}", "200000")]
    [InlineData("{{ '{:065535,d}'.format(1) | length }}", "65535")]
    [InlineData("{% set bits = 65535 %}{{ '{:b}'.format(2 ** bits) | length }}", "65536")]
    public void WhatIsAllocatedGrowsWithTheText(string template, string expected)
    {
        using JsonDocument variables = JsonDocument.Parse($"{{\"words\": \"{string.Concat(Enumerable.Repeat("w ", 200_000))}\"}}");
        ChatTemplate parsed = ChatTemplate.Parse(template, "t");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(expected, parsed.Render(variables.RootElement));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
    }

    [Fact]
    public void HostileTemplatesEndOnSmallStacksToo()
    {
        string chain = "{% set ns = namespace(a=1) %}{% for i in range(100000) %}{% set ns.a = namespace(b=ns.a) %}{% endfor %}{{ ns.a }}";
        TemplateException? error = null;
        Thread thread = new(() => error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(chain, "t").Render(Nothing)), 512 << 10);
        thread.Start();
        thread.Join();
        Assert.Equal(TemplateErrorKind.RecursionError, error!.Kind);
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("{1:", "}")]
    [InlineData("-", "")]
    [InlineData("not ", "")]
    [InlineData("x(", ")")]
    [InlineData("x[", "]")]
    [InlineData("1 if 1 else ", "")]
    [InlineData("x|default(", ")")]
    [InlineData("x is in ", "")]
    public void DeepExpressionsAreRefused(string open, string close)
    {
        string Nested(int depth) =>
            "{{ " + string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth)) + " }}";
        Assert.Equal(TemplateErrorKind.TemplateSyntaxError, Assert.Throws<TemplateException>(() => ChatTemplate.Parse(Nested(100_000), "deep")).Kind);
        if (open != "x is in ")
        {
            _ = ChatTemplate.Parse(Nested(20), "not so deep");
        }
    }

    [Theory]
    [InlineData("1+")]
    [InlineData("1**")]
    [InlineData("x or ")]
    [InlineData("x|list|")]
    [InlineData("x.x.")]
    public void LongChainsAreRefused(string link)
    {
        string chain = "{{ " + string.Concat(Enumerable.Repeat(link, 100_000)) + "list }}";
        Assert.Equal(TemplateErrorKind.TemplateSyntaxError, Assert.Throws<TemplateException>(() => ChatTemplate.Parse(chain, "long")).Kind);
    }

    [Theory]
    [InlineData("{% if 1 %}", "{% endif %}")]
    [InlineData("{% for i in [1] %}", "{% endfor %}")]
    [InlineData("{% set x %}", "{% endset %}")]
    [InlineData("{% macro m() %}", "{% endmacro %}")]
    [InlineData("{% with %}", "{% endwith %}")]
    [InlineData("{% filter upper %}", "{% endfilter %}")]
    [InlineData("{% generation %}", "{% endgeneration %}")]
    public void DeepStatementsAreRefused(string open, string close)
    {
        string Nested(int depth) => string.Concat(Enumerable.Repeat(open, depth)) + string.Concat(Enumerable.Repeat(close, depth));
        Assert.Equal(TemplateErrorKind.TemplateSyntaxError, Assert.Throws<TemplateException>(() => ChatTemplate.Parse(Nested(50_000), "deep")).Kind);
        Assert.Equal("", ChatTemplate.Parse(Nested(20), "not so deep").Render(Nothing));
    }

    [Fact]
    public void ManyBranchesAreNoNesting()
    {
        string template = "{% if x == 0 %}0" + string.Concat(Enumerable.Range(1, 2000).Select(i => $"{{% elif x == {i} %}}{i}")) + "{% endif %}";
        Assert.Equal("1999", ChatTemplate.Parse(template, "many").Render(JsonDocument.Parse("{\"x\": 1999}").RootElement));
    }

    [Fact]
    public void LimitsCanBeLowered()
    {
        ChatTemplate template = ChatTemplate.Parse("{% for i in range(1000) %}abc{% endfor %}", "t");
        Assert.Equal(3000, template.Render(Nothing).Length);
        Assert.Contains(
            "100 steps", Assert.Throws<TemplateException>(() => template.Render(Nothing, new TemplateLimits { MaxSteps = 100 })).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "2999", Assert.Throws<TemplateException>(() => template.Render(Nothing, new TemplateLimits { MaxLength = 2999 })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void DeepVariablesAreRead()
    {
        string json = "{\"x\": " + new string('[', 200) + new string(']', 200) + "}";
        using JsonDocument variables = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 256 });
        Assert.Equal(
            new string('[', 200) + new string(']', 200), ChatTemplate.Parse("{{ x | tojson }}", "t").Render(variables.RootElement));
    }

    [Fact]
    public void VariablesThatAreNoObjectAreAUsersMistake()
    {
        Assert.Throws<UserErrorException>(() => ChatTemplate.Parse("a", "t").Render(JsonDocument.Parse("[]").RootElement));
        Assert.Throws<UserErrorException>(() => ChatTemplate.Parse("a", "t").Render(JsonDocument.Parse("{\"a\": \"\\ud800\"}").RootElement));
    }

    [Fact]
    public void OneTemplateServesManyThreads()
    {
        ChatTemplate template = ChatTemplate.Parse("{% for i in range(n) %}{% set x = i * 2 %}{{ x }},{% endfor %}", "t");
        Parallel.For(0, 64, n =>
        {
            string expected = string.Concat(Enumerable.Range(0, n).Select(i => $"{i * 2},"));
            Assert.Equal(expected, template.Render(JsonDocument.Parse($"{{\"n\": {n}}}").RootElement));
        });
    }
}
