using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Schemas that cannot be used are refused with a sentence that names the place; hostile ones cost little.</summary>
public class SchemaErrorTests
{
    [Theory]
    [InlineData("""5""", "$: a schema (an object) is expected, not 5")]
    [InlineData("""{"type":"strnig"}""", "$.type")]
    [InlineData("""{"type":["string","string"]}""", "$.type")]
    [InlineData("""{"type":[]}""", "$.type")]
    [InlineData("""{"type":"object","properties":{"a":{"minProperties":3}}}""", "$.properties.a.minProperties: the keyword \"minProperties\" is not supported")]
    [InlineData("""{"type":"object","properties":{"a":{"items":{"oneOf":[]}}}}""", "$.properties.a.items.oneOf")]
    [InlineData("""{"patternProperties":{"a":{}}}""", "$.patternProperties")]
    [InlineData("""{"dependentRequired":{"a":["b"]}}""", "$.dependentRequired")]
    [InlineData("""{"unevaluatedProperties":false}""", "$.unevaluatedProperties")]
    [InlineData("""{"not":{}}""", "$.not")]
    [InlineData("""{"type":"string","type":"null"}""", "$: the keyword \"type\" occurs twice")]
    [InlineData("""{"properties":{"a":{},"a":{}}}""", "$.properties.a: a property that is declared twice")]
    [InlineData("""{"properties":[]}""", "$.properties: an object is expected")]
    [InlineData("""{"properties":{"a":{}},"required":["b"],"additionalProperties":false}""", "$.required: \"b\" is not declared")]
    [InlineData("""{"properties":{"a":{}},"required":"a"}""", "$.required")]
    [InlineData("""{"anyOf":[]}""", "$.anyOf")]
    [InlineData("""{"anyOf":[{"type":"null"},{"items":{"anyOf":[7]}}]}""", "$.anyOf[1].items.anyOf[0]")]
    [InlineData("""{"anyOf":[{"type":"null"},{"minimum":3,"type":["integer","boolean"]}],"type":"string"}""", "$.anyOf: none of the schemas has the type \"string\"")]
    [InlineData("""{"anyOf":[{"minProperties":1}],"type":"object"}""", "minProperties")]
    [InlineData("""{"propertyNames":{"pattern":"^a"}}""", "$.propertyNames: names of properties under {\"pattern\":\"^a\"} are not supported")]
    [InlineData("""{"propertyNames":{"type":"integer"}}""", "$.propertyNames")]
    [InlineData("""{"propertyNames":false}""", "$.propertyNames")]
    [InlineData("""{"type":"string","nullable":"yes"}""", "$.nullable: true or false is expected, not \"yes\"")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "$.uniqueItems: the keyword \"uniqueItems\" is not supported")]
    [InlineData("""{"$ref":"#/$defs/x"}""", "$.$ref: there is no $.$defs")]
    [InlineData("""{"$ref":"https://example.com/schema"}""", "$.$ref")]
    [InlineData("""{"$ref":"#","type":"object"}""", "$.type")]
    [InlineData("""{"$ref":"#"}""", "refers to itself before any text")]
    [InlineData("""{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"string"}]}}}""", "refers to itself before any text")]
    [InlineData("""{"properties":{"x":{"$ref":"#"}},"required":["x"]}""", "contain each other without end")]
    [InlineData("""{"type":"array","minItems":1,"items":{"$ref":"#"}}""", "contain each other without end")]
    [InlineData("""{"$ref":"#/$defs/a","$defs":{"a":{"minProperties":1}}}""", "$.$defs.a.minProperties")]
    [InlineData("""{"enum":[]}""", "$.enum")]
    [InlineData("""{"enum":["a"],"type":"integer"}""", "$: no value of")]
    [InlineData("""{"const":1,"minimum":0}""", "$.minimum")]
    [InlineData("""{"pattern":"a(?=b)"}""", "$.pattern: look-around")]
    [InlineData("""{"pattern":"(a)\\1"}""", "$.pattern: '\\1' is not supported")]
    [InlineData("""{"pattern":"a\\bb"}""", "$.pattern: '\\b' is not supported")]
    [InlineData("""{"pattern":"[b-a]"}""", "$.pattern")]
    [InlineData("""{"pattern":"(a"}""", "$.pattern")]
    [InlineData("""{"pattern":"a)"}""", "$.pattern")]
    [InlineData("""{"pattern":"a(^b|c)"}""", "$.pattern: '^' is supported where the text can begin, '$' where it can end (at character 2)")]
    [InlineData("""{"pattern":"(^a)?b"}""", "$.pattern: '^' is supported where the text can begin")]
    [InlineData("""{"pattern":"a$b"}""", "$.pattern: '^' is supported where the text can begin")]
    [InlineData("""{"pattern":"^*"}""", "$.pattern: nothing to repeat")]
    [InlineData("""{"pattern":"a{2,1}"}""", "$.pattern")]
    [InlineData("""{"pattern":"*"}""", "$.pattern")]
    [InlineData("""{"pattern":"[]"}""", "$.pattern: no text matches")]
    [InlineData("""{"pattern":3}""", "$.pattern: a string is expected")]
    [InlineData("""{"format":3}""", "$.format: a string is expected")]
    [InlineData("""{"enum":["a"],"format":"date"}""", "$.format: the keyword \"format\" beside \"enum\"")]
    [InlineData("""{"prefixItems":{}}""", "$.prefixItems: an array of schemas, not empty, is expected")]
    [InlineData("""{"prefixItems":[]}""", "$.prefixItems: an array of schemas, not empty, is expected")]
    [InlineData("""{"prefixItems":[{},{"not":{}}]}""", "$.prefixItems[1].not")]
    [InlineData("""{"prefixItems":[{}],"items":{}}""", "$.items: items behind those of \"prefixItems\" are not supported")]
    [InlineData("""{"prefixItems":[{}],"items":{},"maxItems":2}""", "$.items: items behind those of \"prefixItems\" are not supported")]
    [InlineData("""{"prefixItems":[{}],"minItems":2}""", "$.minItems: more items than the 1 of \"prefixItems\" are not supported")]
    [InlineData("""{"allOf":[{"items":{"type":"null"}},{"prefixItems":[{}]}]}""", "$.allOf.prefixItems: \"allOf\" of one schema with")]
    [InlineData("""{"format":"date","pattern":"^x"}""", "$.pattern: no text matches it")]
    [InlineData("""{"minimum":"1"}""", "$.minimum")]
    [InlineData("""{"minimum":1e30}""", "$.minimum: a number from -1e19 to 1e19")]
    [InlineData("""{"exclusiveMaximum":-1e400}""", "$.exclusiveMaximum: a number from -1e19 to 1e19")]
    [InlineData("""{"type":"integer","minimum":9223372036854775808}""", "$: no number fits the bounds")]
    [InlineData("""{"exclusiveMinimum":true}""", "$.exclusiveMinimum: a number")]
    [InlineData("""{"items":[{}],"additionalItems":{}}""", "$.items: items behind those of \"prefixItems\" are not supported")]
    [InlineData("""{"items":[{}],"prefixItems":[{}]}""", "$.items: items behind those of \"prefixItems\" are not supported")]
    [InlineData("""{"type":"integer","minimum":1.2,"maximum":1.8}""", "$: no number fits the bounds")]
    [InlineData("""{"exclusiveMinimum":1,"maximum":1}""", "$: no number fits the bounds")]
    [InlineData("""{"multipleOf":0}""", "a positive multiple")]
    [InlineData("""{"multipleOf":-2}""", "a positive multiple")]
    [InlineData("""{"minItems":-1}""", "$.minItems")]
    [InlineData("""{"minItems":1.5}""", "$.minItems")]
    [InlineData("""{"minItems":3,"maxItems":2}""", "$.maxItems: 2 is less than minItems, 3")]
    [InlineData("""{"additionalProperties":false,"properties":{"a":false},"required":["a"]}""", "$.properties.a: a property that is required")]
    [InlineData("""{"const":"\ud800"}""", "unpaired surrogate")]
    public void TheMessageNamesThePlace(string schema, string expected)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Vocabularies.FromSchema(schema));
        Assert.Contains(expected, error.Message);
        Assert.StartsWith("the JSON schema: ", error.Message);
    }

    public static TheoryData<string> Hostile { get; } = new()
    {
        """{"pattern":"(a|b)*a(a|b){30}"}""",
        """{"pattern":"((((x{1000}){1000}){1000}){1000})"}""",
        """{"pattern":"(\\p{L}\\p{N}){1000}"}""",
        """{"pattern":"PARENS"}""".Replace("PARENS", new string('(', 10_000), StringComparison.Ordinal),
        """{"maxItems":1000000000}""",
        """{"multipleOf":9973,"type":"integer"}""",
        Nest(60, static inner => $$"""{"items":{{inner}}}"""),
        Many(6_000, static i => $$$$"""{"properties":{"p{{{{i}}}}":{}}}""", "anyOf"),
        """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, 5_001).Select(static i => $"\"p{i}\":{{}}")) + "}}",
        """{"enum":[""" + string.Join(',', Enumerable.Range(0, 1_001)) + "]}",
        $$"""{"const":"{{new string('x', 200_000)}}"}""",
        """{"$ref":"#/$defs/a0","$defs":{""" + string.Join(',', Enumerable.Range(0, 200).Select(static i => $$$"""
            "a{{{i}}}":{"properties":{"x":{"$ref":"#/$defs/a{{{i + 1}}}"}},"required":["x"]}
            """)) + ",\"a200\":{}}}",
        $$"""{"pattern":"{{string.Concat(Enumerable.Repeat("(^|a)", 60))}}"}""",
        Many(1_000, static i => $$$"""{"pattern":"(a|b)*a(a|b){11}{{{i}}}"}""", "anyOf"),
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void HostileSchemasAreRefused(string schema)
    {
        try
        {
            TokenMasks masks = Vocabularies.Small();
            GrammarMatcher matcher = masks.CreateMatcher(Vocabularies.FromSchema(schema));
            for (int i = 0; i < 20; i++)
            {
                List<int> allowed = matcher.Mask(masks).Allowed();
                Assert.True(matcher.TryAccept(allowed[^1]));
            }

            Assert.Fail("all of these are too much");
        }
        catch (UserErrorException e)
        {
            Assert.InRange(e.Message.Length, 20, 600);
        }
    }

    [Fact]
    public void CountedArraysInsideEachOtherAreSmall()
    {
        Grammar grammar = Vocabularies.FromSchema(Nest(12, static inner => $$"""{"items":{{inner}},"minItems":5000,"maxItems":5000}"""));
        Assert.InRange(grammar.Program.Heights.Length, 1, 12 * 5_000 * 10);
    }

    [Fact]
    public void LargeSchemasWithinTheLimitsWork()
    {
        JsonObject properties = [];
        for (int i = 0; i < 4_000; i++)
        {
            properties[$"property number {i}"] = i % 2 == 0
                ? new JsonObject { ["type"] = "string", ["format"] = "date-time" }
                : new JsonObject { ["type"] = "integer", ["minimum"] = 0, ["maximum"] = 100 };
        }

        string schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = new JsonArray("property number 3999") }.ToJsonString();
        TokenMasks masks = Vocabularies.Small();
        byte[] text = masks.CreateMatcher(Vocabularies.FromSchema(schema)).Walk(masks, new Random(1));
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.InRange(document.RootElement.GetProperty("property number 3999").GetInt32(), 0, 100);
    }

    [Fact]
    public void ReadingsDoNotMultiplyWithTheDepth()
    {
        // Two readings of each level: 2^60 of the whole.
        const string Schema = """
            {"anyOf":[
                {"type":"object","properties":{"x":{"$ref":"#"},"y":{"type":"null"}},"additionalProperties":false},
                {"type":"object","properties":{"x":{"$ref":"#"},"z":{"type":"null"}},"additionalProperties":false}]}
            """;
        StringBuilder text = new();
        for (int i = 0; i < 60; i++)
        {
            text.Append("{\"x\":");
        }

        text.Append("{}");
        for (int i = 0; i < 60; i++)
        {
            text.Append(i % 3 == 0 ? ",\"y\":null}" : i % 3 == 1 ? ",\"z\":null}" : "}");
        }

        Assert.True(Vocabularies.FromSchema(Schema).Matches(text.ToString()));
        Assert.False(Vocabularies.FromSchema(Schema).Matches(text.ToString().Replace("null}}", "null}]", StringComparison.Ordinal)));
    }

    private static string Nest(int depth, Func<string, string> wrap)
    {
        string schema = "{}";
        for (int i = 0; i < depth; i++)
        {
            schema = wrap(schema);
        }

        return schema;
    }

    private static string Many(int count, Func<int, string> schema, string keyword) =>
        $$"""{"{{keyword}}":[{{string.Join(',', Enumerable.Range(0, count).Select(schema))}}]}""";
}
