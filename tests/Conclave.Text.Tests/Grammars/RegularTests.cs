using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Conclave.Text.Grammars;
using CsCheck;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Patterns, ranges of numbers, formats and names against what .NET says about them.</summary>
public class RegularTests
{
    private static readonly string[] Atoms = ["a", "b", "c", "[a-b]", "[^b]", ".", "\\d", "\\w", "1", "(a|bc)", "(?:b|)", "(ab*)", "\\.", "[\\d.]", "-", "[^\\w]"];
    private static readonly string[] Quantifiers = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"];

    [Fact]
    public void PatternsMatchAsDotNetsDo() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            string pattern = Pattern(random);
            Grammar grammar = Vocabularies.FromSchema($$"""{"pattern":{{JsonSerializer.Serialize(pattern)}}}""");
            Regex regex = new(pattern.Replace("$", "\\z", StringComparison.Ordinal), RegexOptions.ECMAScript, TimeSpan.FromSeconds(10));
            for (int i = 0; i < 30; i++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => "abc1.-_ "[random.Next(8)]));
                Assert.True(regex.IsMatch(text) == grammar.Matches($"\"{text}\""), $"{pattern} on \"{text}\"");
            }
        },
        iter: 300);

    [Theory]
    [InlineData("^é$", "é", true)]
    [InlineData("^.$", "😀", false)]
    [InlineData("^.{1,2}$", "😀", false)]
    [InlineData("^.{2,}$", "😀", false)]
    [InlineData("^.{2,}$", "😀😀", true)]
    [InlineData("^a.*$", "a😀", true)]
    [InlineData("^😀$", "😀", true)]
    [InlineData("b", "😀b😀", true)]
    [InlineData("^.$", "\n", false)]
    [InlineData("^[^x]$", "\n", true)]
    [InlineData("^\\n\\t\"\\\\$", "\n\t\"\\", true)]
    [InlineData("^\\u{1F600}\\uD83D\\uDE00\\x41\\u0042$", "😀😀AB", true)]
    [InlineData("^\\p{Lu}\\p{Ll}+$", "Éa", true)]
    [InlineData("^\\p{Lu}\\p{Ll}+$", "éa", false)]
    [InlineData("^[\u00e0-\U0001F600]+$", "é日本😀", true)]
    [InlineData("^[\u00e0-\U0001F600]+$", "😁", false)]
    [InlineData("^(?<year>\\d{4})\\/?$", "2024", true)]
    [InlineData("", "anything", true)]
    [InlineData("^$", "", true)]
    [InlineData("^$", "x", false)]
    [InlineData("^\\S+\\s\\S+$", "a\u00a0b", true)]
    [InlineData("^[$^.|]$", "$", true)]
    [InlineData("^[\\b]$", "\b", true)]
    [InlineData("^[\\w\\W]+$", "日本é-٣", true)]
    [InlineData("^[\\s\\S]+$", "\ufeff\u0085", true)]
    [InlineData("^\\W+$", "–、😀", true)]
    public void PatternsKnowUnicodeAndEscapes(string pattern, string text, bool matches)
    {
        Grammar grammar = Vocabularies.FromSchema($$"""{"pattern":{{JsonSerializer.Serialize(pattern)}}}""");
        Assert.Equal(matches, grammar.Matches(JsonConstants.Quote(text)));
    }

    [Theory]
    [InlineData("\\w", "a", "é")]
    [InlineData("\\W", "-", "日")]
    [InlineData("\\d", "7", "٣")]
    [InlineData("\\D", "x", "٣")]
    [InlineData("\\s", "\u00a0", "\ufeff")]
    [InlineData("\\S", "x", "\u0085")]
    [InlineData("[^\\w-]", "+", "日")]
    [InlineData("[^\\W\\d]", "x", "日")]
    [InlineData("[\\W\\d]", "7", "日")]
    [InlineData("[^\\s\\D]", "7", "٣")]
    public void SetsStandForWhatEcmaAndDotNetAgreeOn(string set, string member, string disputed)
    {
        Grammar grammar = Vocabularies.FromSchema($$"""{"pattern":{{JsonSerializer.Serialize($"^{set}$")}}}""");
        Assert.True(grammar.Matches(JsonConstants.Quote(member)));
        Assert.False(grammar.Matches(JsonConstants.Quote(disputed)));
        Regex dotNet = new($"^{set}$", RegexOptions.None, Regex.InfiniteMatchTimeout);

        // .NET's ECMAScript knows that standard's digits and words, but not its spaces.
        const string Spaces = "\\t-\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff";
        string standard = set switch { "\\s" => $"[{Spaces}]", "\\S" => $"[^{Spaces}]", _ => set.Replace("\\s", Spaces, StringComparison.Ordinal) };
        Regex ecma = new($"^{standard}$", RegexOptions.ECMAScript, Regex.InfiniteMatchTimeout);
        for (int point = 0; point < 0x10000; point++)
        {
            if (Rune.IsValid(point) && new Rune(point).ToString() is var text && grammar.Matches(JsonConstants.Quote(text)))
            {
                Assert.True(dotNet.IsMatch(text), $".NET has no U+{point:X4} in {set}");
                Assert.True(ecma.IsMatch(text), $"ECMA-262 has no U+{point:X4} in {set}");
            }
        }
    }

    [Fact]
    public void EverySetOfCodePointsIsItsUtf8() => Gen.Select(Gen.Int[0, 0x10FFFE], Gen.Int[0, 0x10FFFE], Gen.Int[0, 0x10FFFF].List[1, 20]).Sample(
        (a, b, points) =>
        {
            (int low, int high) = (Math.Min(a, b), Math.Max(a, b));
            string pattern = $"^[\\u{{{low:x}}}-\\u{{{high:x}}}a]$";
            Grammar grammar = Vocabularies.FromSchema($$"""{"pattern":{{JsonSerializer.Serialize(pattern)}}}""");
            foreach (int point in points.Concat([low, high, low - 1, high + 1, (low + high) / 2]).Where(Rune.IsValid))
            {
                Assert.Equal((point >= low && point <= high) || point == 'a', grammar.Matches(JsonConstants.Quote(new Rune(point).ToString())));
            }
        },
        iter: 200);

    [Fact]
    public void NumbersKeepTheirBounds() => Gen.Int[0, int.MaxValue - 1].Sample(
        seed =>
        {
            Random random = new(seed);
            bool integer = random.Next(2) == 0;
            decimal Near(decimal around) => around + (random.Next(-300, 300) * (decimal)Math.Pow(10, -random.Next(4)));
            decimal center = random.Next(3) == 0 ? 0 : random.Next(-20_000, 20_000) * (decimal)Math.Pow(10, -random.Next(5));
            decimal? low = random.Next(4) == 0 ? null : Near(center);
            decimal? high = random.Next(4) == 0 ? null : (low ?? center) + random.Next(1, 1000);
            bool lowExcluded = random.Next(2) == 0;
            bool highExcluded = random.Next(2) == 0;
            decimal? step = random.Next(2) == 0 ? null : random.Next(1, 12) * (integer || random.Next(2) == 0 ? 1 : 0.05m);
            string schema = "{\"type\":\"" + (integer ? "integer" : "number") + "\""
                + (low is null ? "" : $",\"{(lowExcluded ? "exclusiveMinimum" : "minimum")}\":{low.Value.ToString(CultureInfo.InvariantCulture)}")
                + (high is null ? "" : $",\"{(highExcluded ? "exclusiveMaximum" : "maximum")}\":{high.Value.ToString(CultureInfo.InvariantCulture)}")
                + (step is null ? "}" : $",\"multipleOf\":{step.Value.ToString(CultureInfo.InvariantCulture)}}}");
            if (high - low < 40 || (low is null && high is null && step is null))
            {
                return;
            }

            Grammar grammar = Vocabularies.FromSchema(schema);
            for (int i = 0; i < 60; i++)
            {
                decimal value = random.Next(4) switch
                {
                    0 => low ?? center,
                    1 => high ?? center,
                    2 => Near(random.Next(2) == 0 ? low ?? center : high ?? center),
                    _ => step is { } s ? s * Math.Round(Near(center) / s) : Near(center),
                };
                value = integer && random.Next(4) > 0 ? Math.Round(value) : value;
                value = decimal.Parse(value.ToString("0.############", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
                bool valid = (low is null || (lowExcluded ? value > low : value >= low)) && (high is null || (highExcluded ? value < high : value <= high))
                    && (step is null || value % step == 0) && (!integer || decimal.IsInteger(value));
                Assert.True(valid == grammar.Matches(value.ToString(CultureInfo.InvariantCulture)), $"{value} under {schema}");
            }
        },
        iter: 300);

    [Theory]
    [InlineData("""{"type":"integer"}""", "9223372036854775807", true)]
    [InlineData("""{"type":"integer"}""", "9223372036854775808", false)]
    [InlineData("""{"type":"integer"}""", "-9223372036854775808", true)]
    [InlineData("""{"type":"integer"}""", "-0", false)]
    [InlineData("""{"type":"integer"}""", "01", false)]
    [InlineData("""{"type":"integer"}""", "1.0", false)]
    [InlineData("""{"type":"integer","minimum":18,"maximum":65}""", "17", false)]
    [InlineData("""{"type":"number"}""", "-1.5e-07", true)]
    [InlineData("""{"type":"number"}""", "1e400", false)]
    [InlineData("""{"type":"number"}""", "1.", false)]
    [InlineData("""{"type":"number","exclusiveMaximum":1}""", "0.999", true)]
    [InlineData("""{"type":"number","exclusiveMaximum":1}""", "1.0", false)]
    [InlineData("""{"type":"number","minimum":0.1}""", "0.10", true)]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "3.14", true)]
    [InlineData("""{"type":"number","multipleOf":0.01}""", "3.141", false)]
    [InlineData("""{"type":"array","items":{"const":1},"maxItems":0}""", "[]", true)]
    [InlineData("""{"type":"array","items":{"const":1},"maxItems":0}""", "[1]", false)]
    [InlineData("""{"type":"array","items":{"const":1},"minItems":2}""", "[1]", false)]
    [InlineData("""{"type":"array","items":{"const":1},"minItems":2}""", "[1, 1,1,1]", true)]
    [InlineData("""{"properties":{"a":{"const":1},"b":{"const":2}}}""", """{"b":2,"a":1}""", false)]
    [InlineData("""{"properties":{"a":{"const":1}},"additionalProperties":true}""", """{"a":2}""", false)]
    [InlineData("""{"properties":{"a":{"const":1}},"additionalProperties":true}""", """{"aa":2,"":[]}""", true)]
    [InlineData("""{"properties":{"a":{"const":1}},"additionalProperties":true}""", """{"\u0061":2}""", false)]
    [InlineData("""{"additionalProperties":{"type":"null"}}""", """{"\u0061":null}""", true)]
    [InlineData("""{"type":["object","null"],"properties":{"a":{"const":1}},"required":["a"]}""", "null", true)]
    [InlineData("""{"type":["object","null"],"properties":{"a":{"const":1}},"required":["a"]}""", "{}", false)]
    [InlineData("""{"type":"string"}""", "\"\\ud800\"", false)]
    [InlineData("""{"type":"string"}""", "\"\\ud83d\\ude00\"", true)]
    [InlineData("""{"type":"string"}""", "\"\t\"", false)]
    [InlineData("""{"format":"date"}""", "\"2023-02-29\"", false)]
    [InlineData("""{"format":"date"}""", "\"1900-02-29\"", false)]
    [InlineData("""{"format":"time"}""", "\"24:00:00Z\"", false)]
    [InlineData("""{"format":"ipv6"}""", "\"1::2::3\"", false)]
    [InlineData("""{"format":"ipv6"}""", "\"1:2:3:4:5:6:7\"", false)]
    [InlineData("""{"format":"ipv4"}""", "\"256.1.1.1\"", false)]
    [InlineData("""{"format":"hostname"}""", "\"-a\"", false)]
    [InlineData("""{"format":"duration"}""", "\"P1DT\"", false)]
    [InlineData("""{"format":"duration"}""", "\"P\"", false)]
    [InlineData("""{"format":"email"}""", "\"a@\"", false)]
    [InlineData("""{"const":{"a":[1,{}]}}""", """{"a":[1,{}]}""", true)]
    [InlineData("""{"enum":[1,2],"const":2}""", "1", false)]
    [InlineData("""true""", "[{}]", true)]
    [InlineData("""{"$ref":"#/$defs/x~1y/items","$defs":{"x/y":{"items":{"const":5}}}}""", "5", true)]
    public void ValuesAreTakenOrRefused(string schema, string text, bool taken)
    {
        Assert.Equal(taken, Vocabularies.FromSchema(schema).Matches(text));
    }

    private static string Pattern(Random random)
    {
        // Groups with anchors are written out: in one of two alternatives, which is short then, lest there be too many states.
        int branches = random.Next(1, 3);
        int grouped = random.Next(2) == 0 ? random.Next(branches) : -1;
        string Begin(bool groups) => random.Next(groups ? 4 : 2) switch { 0 => "^", 1 => "", 2 => "(^|b)", _ => "(?:^a|(^|c)b)" };
        string End(bool groups) => random.Next(groups ? 4 : 2) switch { 0 => "$", 1 => "", 2 => "($|a)", _ => "(b(a$|$)|c)" };
        string Branch(bool groups) => Begin(groups)
            + string.Concat(Enumerable.Range(0, random.Next(1, grouped < 0 ? 5 : 4 - branches)).Select(_ => Atoms[random.Next(Atoms.Length)] + Quantifiers[random.Next(Quantifiers.Length)]))
            + End(groups);
        return string.Join('|', Enumerable.Range(0, branches).Select(branch => Branch(branch == grouped)));
    }
}
