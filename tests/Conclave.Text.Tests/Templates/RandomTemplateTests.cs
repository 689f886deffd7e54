using System.Text;
using System.Text.Json;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Text.Tests.Templates;

public sealed class RandomTemplateTests
{
    private static readonly JsonElement Variables = TemplateFiles.Read("jinja2.json").GetProperty("variables");

    private static readonly TemplateLimits Small = new() { MaxSteps = 50_000, MaxLength = 1 << 18 };

    private static readonly Gen<string> Atoms = OneOf(
        "s", "u", "n", "f", "neg", "big", "l", "ls", "d", "e", "t", "z", "m", "nested", "mixed", "users", "text", "zz", "0", "1", "-2", "1.5",
        "'a'", "''", "'é😀x'", "none", "true", "[1, 2]", "('a', 2)", "{'a': 1}", "range(3)", "namespace(a=1)", "loop", "x", "cycler(1, 2)");

    private static readonly Gen<string> Suffixes = OneOf(
        "|length", "|upper", "|list", "|first", "|last", "|join(',')", "|sort", "|reverse", "|tojson", "|tojson(indent=2)", "|string", "|int", "|trim",
        "|default('q')", "|sum", "|min", "|unique|list", "|map('upper')|list", "|map(attribute='role')|list", "|select('string')|list",
        "|selectattr('n', 'gt', 1)|list", "|items|list", "|dictsort", "|round", "|title", "|replace('a', 'b')", "|batch(2)|list", "|slice(2)|list",
        "|indent", "|truncate(5, true, '')", "|escape", "|safe", "|wordwrap(5)", "|groupby('c')", "|format(1)", "|urlencode", "|striptags",
        "[0]", "[-1]", "[1:]", "[::-1]", "[::2]", ".a", ".items()", ".get('a')", ".upper()", ".split()", ".strip('a')", ".format(1, 2)", "['a']",
        ".index(1)", "()", ".append(1)", " is odd", " is string", " is defined", " is in [1, 'a']", " is mapping");

    private static readonly Gen<string> Operators = OneOf(
        "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or", "if s else");

    private static readonly Gen<string> Expressions = Gen.Recursive<string>((depth, self) => depth > 3
        ? Atoms
        : Gen.OneOf(
            Atoms,
            Gen.Select(self, Suffixes, (expression, suffix) => $"({expression}){suffix}"),
            Gen.Select(self, Operators, self, (left, symbol, right) => $"({left} {symbol} {right})")));

    private static readonly Gen<string> Statements = Gen.Recursive<string>((depth, self) => depth > 3
        ? Expressions.Select(e => $"{{{{ {e} }}}}\n")
        : Gen.OneOf(
            Expressions.Select(e => $"{{{{- {e} }}}} "),
            Gen.Select(Expressions, self, self, (e, a, b) => $"{{% if {e} %}}{a}{{% else %}}{b}{{% endif %}}"),
            Gen.Select(Expressions, self, (e, a) => $"{{% for x in {e} %}}{a}{{{{ loop.index }}}}{{% if loop.last %}}{{% break %}}{{% endif %}}{{% endfor %}}"),
            Gen.Select(Expressions, self, (e, a) => $"{{% set x = {e} %}}{a}"),
            Gen.Select(Expressions, self, (e, a) => $"{{% macro y(x={e}) %}}{a}{{% endmacro %}}{{{{ y() }}}}"),
            Gen.Select(self, a => $"{{% set x %}}{a}{{% endset %}}{{{{ x }}}}"),
            Gen.Select(self, self, (a, b) => a + "  {%- if 1 -%}  " + b + "\n  {% endif %}\n")));

    [Fact]
    public void RandomTemplatesRenderOrFailCleanlyAndAlwaysAlike()
    {
        int texts = 0;
        Statements.Sample(
            template =>
            {
                string outcome = Outcome(template);
                Assert.Equal(outcome, Outcome(template));
                texts += outcome.StartsWith("text: ", StringComparison.Ordinal) ? 1 : 0;
            },
            iter: 3000, threads: 1);

        // About 400 render; the others fail with a reason.
        Assert.True(texts > 200, $"{texts} of 3000 rendered");
    }

    [Fact]
    public void DataIsCopiedAsItIs() => Gen.String[Gen.Char.AlphaNumeric].Where(text => text.Length > 0).Sample(
        text => Assert.Equal("text: " + text, Outcome(text)), iter: 200, threads: 1);

    [Fact]
    public void JsonComesBackAsItWas() => Gen.String.Where(IsValid).Sample(
        text =>
        {
            using JsonDocument variables = JsonDocument.Parse(JsonSerializer.Serialize(new Dictionary<string, string>(StringComparer.Ordinal) { ["x"] = text }));
            string plain = ChatTemplate.Parse("{{ [x] | tojson }}", "t").Render(variables.RootElement);
            string ascii = ChatTemplate.Parse("{{ [x] | tojson(ensure_ascii=true) }}", "t").Render(variables.RootElement);
            Assert.Equal(text, JsonDocument.Parse(plain).RootElement[0].GetString());
            Assert.Equal(text, JsonDocument.Parse(ascii).RootElement[0].GetString());
            Assert.True(Ascii.IsValid(ascii));
        },
        iter: 500, threads: 1);

    [Fact]
    public void FloatsReadBack() => Gen.Double.Where(double.IsFinite).Sample(
        number =>
        {
            using JsonDocument variables = JsonDocument.Parse($"{{\"x\": {number.ToString("E16")}}}");
            Assert.Equal(number, double.Parse(ChatTemplate.Parse("{{ x }}", "t").Render(variables.RootElement)));
        },
        iter: 1000, threads: 1);

    private static bool IsValid(string text) => !text.EnumerateRunes().Any(rune => rune == Rune.ReplacementChar);

    private static string Outcome(string template)
    {
        try
        {
            return "text: " + ChatTemplate.Parse(template, "random").Render(Variables, Small, TemplateFiles.Clock);
        }
        catch (Exception e) when (e is TemplateException or UserErrorException)
        {
            return e.Message;
        }
    }

    private static Gen<string> OneOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(index => texts[index]);
}
