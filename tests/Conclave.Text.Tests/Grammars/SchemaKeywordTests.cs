using System.Text;
using System.Text.Json;
using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Tests.Grammars;

/// <summary>What single keywords of a schema allow and refuse.</summary>
public class SchemaKeywordTests
{
    [Theory]
    [InlineData("""{"minLength":2,"maxLength":3}""", new[] { "\"ab\"", "\"abc\"", "\"é日\"", "\"😀😀😀\"", @"""\ud83d\ude00\n\""""" }, new[] { "\"\"", "\"a\"", "\"abcd\"", "\"😀\"", @"""\ud83d\ude00""", "\"ab", "12" })]
    [InlineData("""{"type":"string","minLength":2}""", new[] { "\"ab\"", "\"abcdefghij\"" }, new[] { "\"\"", "\"a\"" })]
    [InlineData("""{"type":"string","maxLength":0}""", new[] { "\"\"" }, new[] { "\"a\"" })]
    [InlineData("""{"type":"string","maxLength":1e9}""", new[] { "\"\"", "\"abc\"" }, new[] { "1" })]
    [InlineData("""{"pattern":"^[a-c\"]*$","minLength":2,"maxLength":3}""", new[] { "\"ab\"", "\"cab\"", @"""a\""b""" }, new[] { "\"a\"", "\"abcb\"", "\"xy\"", "\"ab" })]
    [InlineData("""{"pattern":"^é","maxLength":2}""", new[] { "\"é\"", "\"éa\"", "\"é😀\"" }, new[] { "\"a\"", "\"éab\"" })]
    [InlineData("""{"pattern":"a$","minLength":3}""", new[] { "\"bca\"", "\"éééaa\"" }, new[] { "\"a\"", "\"ba\"", "\"bcd\"" })]
    [InlineData("""{"format":"ipv4","maxLength":8}""", new[] { "\"1.2.3.4\"", "\"10.2.3.4\"" }, new[] { "\"10.20.3.4\"", "\"\"" })]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"description":"one","$defs":{"a":{"type":"integer"}}}""", new[] { "1" }, new[] { "\"a\"" })]
    [InlineData("""{"allOf":[{"type":"number","minimum":1},{"type":["integer","string"],"minimum":3,"maximum":9},true,{}],"maximum":5}""", new[] { "3", "5" }, new[] { "2", "6", "3.5", "\"a\"" })]
    [InlineData("""{"allOf":[{"multipleOf":2},{"multipleOf":6},{"exclusiveMinimum":0},{"exclusiveMaximum":13}]}""", new[] { "6", "12" }, new[] { "2", "0", "18" })]
    [InlineData("""{"allOf":[{"type":"string","minLength":1},{"maxLength":2,"minLength":2},{"pattern":"^a"}]}""", new[] { "\"ab\"" }, new[] { "\"a\"", "\"bb\"", "\"abc\"" })]
    [InlineData("""{"allOf":[{"enum":["a","b",1]},{"enum":["b","c",1.0]}]}""", new[] { "\"b\"", "1" }, new[] { "\"a\"", "\"c\"" })]
    [InlineData("""{"allOf":[{"items":{"minimum":1}},{"items":{"maximum":2}},{"type":"array","minItems":1}],"maxItems":2}""", new[] { "[1]", "[2,1]" }, new[] { "[]", "[3]", "[1,1,1]" })]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"allOf":[{"properties":{"b":{"type":"null"},"a":{"minimum":5}}},{"required":["b"]}]}""",
        new[] { """{"a":5,"b":null}""" }, new[] { """{"a":4,"b":null}""", """{"a":5}""", """{"b":null}""", """{"a":5,"b":null,"c":1}""" })]
    [InlineData(
        """{"allOf":[{"properties":{"a":{},"b":{"type":"integer"}}},{"properties":{"b":{"minimum":2}},"additionalProperties":false}]}""",
        new[] { """{"b":2}""", "{}" }, new[] { """{"a":1}""", """{"b":1}""" })]
    [InlineData(
        """{"allOf":[{"properties":{"a":{"minimum":1}}},{"additionalProperties":{"type":"integer","maximum":3}}]}""",
        new[] { """{"a":1,"z":0}""", "{}" }, new[] { """{"a":4}""", """{"z":9}""", """{"a":0}""" })]
    [InlineData(
        """{"$ref":"#/$defs/node","$defs":{"base":{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]},"node":{"allOf":[{"$ref":"#/$defs/base"},{"properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"]}]}}}""",
        new[] { """{"id":1,"next":{"id":2,"next":null}}""" }, new[] { """{"id":1}""", """{"next":null}""", """{"id":1,"next":{"id":1}}""" })]
    [InlineData("""{"oneOf":[{"type":"string"},{"type":"integer"},{"enum":[true,null]}]}""", new[] { "\"a\"", "3", "null" }, new[] { "false", "[]" })]
    [InlineData("""{"oneOf":[{"type":"number","maximum":3},{"type":"integer","exclusiveMinimum":3}]}""", new[] { "2.5", "3", "4" }, new[] { "3.5" })]
    [InlineData(
        """{"oneOf":[{"$ref":"#/$defs/cat"},{"$ref":"#/$defs/dog"}],"discriminator":{"propertyName":"kind"},"$defs":{"cat":{"type":"object","properties":{"kind":{"const":"cat"},"lives":{"type":"integer"}},"required":["kind","lives"]},"dog":{"type":"object","properties":{"kind":{"enum":["dog","wolf"]}},"required":["kind"]}}}""",
        new[] { """{"kind":"cat","lives":9}""", """{"kind":"wolf"}""" }, new[] { """{"kind":"cat"}""", """{"kind":"cow"}""" })]
    [InlineData(
        """{"oneOf":[{"type":"object","properties":{"a":{}},"required":["a"]},{"type":"object","properties":{"b":{}},"additionalProperties":false}]}""",
        new[] { """{"a":1}""", """{"b":1}""", "{}" }, new[] { """{"a":1,"b":1}""" })]
    [InlineData("""{"type":["string","null"],"anyOf":[{"type":"string","maxLength":2},{"type":"null"}]}""", new[] { "\"ab\"", "null" }, new[] { "\"abc\"", "1" })]
    [InlineData("""{"type":"string","anyOf":[{"type":"string","format":"date"},{"const":"now"},{"type":"null"}]}""", new[] { "\"2024-02-29\"", "\"now\"" }, new[] { "\"then\"", "null" })]
    [InlineData(
        """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"additionalProperties":false,"anyOf":[{"required":["a"]},{"required":["b"]}]}""",
        new[] { """{"a":1}""", """{"b":1}""", """{"a":1,"b":2}""" }, new[] { "{}", """{"a":1,"c":2}""" })]
    [InlineData(
        """{"type":"object","oneOf":[{"properties":{"k":{"const":1}},"required":["k"]},{"properties":{"k":{"const":2},"v":{}},"required":["k"]}]}""",
        new[] { """{"k":1}""", """{"k":2,"v":3}""" }, new[] { """{"k":1,"v":3}""", "{}", "1" })]
    [InlineData("""{"allOf":[{"anyOf":[{},{}]},{"type":"string"}]}""", new[] { "\"a\"" }, new[] { "1" })]
    [InlineData("""{"type":"string","nullable":true,"maxLength":1}""", new[] { "\"a\"", "null" }, new[] { "\"ab\"", "1" })]
    [InlineData("""{"type":["integer","boolean"],"nullable":true}""", new[] { "1", "true", "null" }, new[] { "\"ab\"" })]
    [InlineData("""{"type":"string","nullable":false}""", new[] { "\"a\"" }, new[] { "null" })]
    [InlineData("""{"$ref":"#/$defs/a","nullable":true,"$defs":{"a":{"type":"object","properties":{"x":{"type":"string","enum":["a",null],"nullable":true}}}}}""", new[] { """{"x":"a"}""", """{"x":null}""", "null" }, new[] { """{"x":"b"}""" })]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"}],"nullable":true,"$defs":{"a":{"type":"integer"}}}""", new[] { "1", "null" }, new[] { "true" })]
    [InlineData("""{"type":"object","properties":{"a":false,"b":{"type":"integer"}},"additionalProperties":{"type":"integer"}}""", new[] { """{"b":1,"c":2}""", """{"aa":1}""" }, new[] { """{"a":1}""", """{"b":1,"a":2}""" })]
    [InlineData("""{"type":"object","properties":{"a":false},"additionalProperties":true}""", new[] { "{}", """{"b":null}""" }, new[] { """{"a":1}""" })]
    [InlineData("""{"allOf":[{"properties":{"a":{"type":"integer"},"b":{}}},{"properties":{"a":false}}]}""", new[] { "{}", """{"b":2}""" }, new[] { """{"a":1}""" })]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"a":{}},"required":["a"]},{"type":"object","properties":{"a":false,"b":{}}}]}""", new[] { """{"a":1}""", """{"b":1}""" }, new[] { """{"a":1,"b":1}""" })]
    [InlineData("""{"type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"number"}}""", new[] { "{}", """{"x":1,"y":2.5}""" }, new[] { """{"x":"1"}""" })]
    [InlineData("""{"type":"object","minProperties":0,"required":["b"]}""", new[] { """{"b":1}""", """{"b":{},"c":2}""" }, new[] { "{}", """{"c":2}""", """{"b":1,"b":2}""" })]
    [InlineData("""{"properties":{"a":{"type":"integer"}},"required":["b","c"]}""", new[] { """{"a":1,"b":2,"c":null}""", """{"b":"x","c":[]}""" }, new[] { """{"a":1}""", """{"b":1}""", """{"b":1,"c":2,"d":3}""" })]
    [InlineData(
        """{"properties":{"a":{}},"required":["b","c"],"additionalProperties":{"type":"integer"}}""",
        new[] { """{"b":1,"c":2}""", """{"a":"x","b":1,"c":2,"d":3}""" }, new[] { """{"b":1}""", """{"b":"x","c":2}""", """{"b":1,"c":2,"b":3}""" })]
    [InlineData("""{"allOf":[{"properties":{"a":{}},"required":["b"]},{"additionalProperties":{"type":"null"}}]}""", new[] { """{"b":null}""" }, new[] { """{"b":1}""", "{}" })]
    [InlineData("""{"oneOf":[{"type":"object","required":["a"],"properties":{"b":false}},{"type":"object","required":["b"]}]}""", new[] { """{"a":1}""", """{"b":1}""" }, new[] { """{"a":1,"b":1}""", "{}" })]
    [InlineData("""{"format":"uuid4"}""", new[] { "\"\"", "\"any\"" }, new[] { "1", "null" })]
    [InlineData("""{"type":"string","format":"password","minLength":2}""", new[] { "\"ab\"" }, new[] { "\"a\"", "1" })]
    [InlineData("""{"type":"string","format":"iri","pattern":"^a"}""", new[] { "\"ab\"" }, new[] { "\"b\"" })]
    [InlineData("""{"type":"string","format":"enum","enum":["a","b"]}""", new[] { "\"a\"" }, new[] { "\"c\"" })]
    [InlineData("""{"type":"integer","format":"int64"}""", new[] { "1" }, new[] { "\"a\"", "1.5" })]
    [InlineData("""{"type":"string","contentMediaType":"application/json","contentEncoding":"base64","contentSchema":{"not":{}}}""", new[] { "\"a\"" }, new[] { "1" })]
    [InlineData("""{"type":"null","$anchor":"n","externalDocs":{"url":"u"},"example":null,"x-order":[1],"x-":{}}""", new[] { "null" }, new[] { "1" })]
    [InlineData("""{"type":"object","properties":{"x-a":{"type":"integer"}}}""", new[] { """{"x-a":1}""" }, new[] { """{"x-a":"1"}""" })]
    [InlineData("""{"type":"object","propertyNames":{"type":"string","x-a":1}}""", new[] { """{"a":1}""" }, new[] { "1" })]
    [InlineData(
        """{"type":"array","prefixItems":[{"type":"integer"},{"type":"string","maxLength":1}],"minItems":2,"maxItems":2}""",
        new[] { "[1,\"a\"]", "[ 1, \"\" ]" }, new[] { "[]", "[1]", "[\"a\",1]", "[1,\"a\",2]", "[1,\"ab\"]", "[1,\"a\",]", "[1 \"a\"]" })]
    [InlineData("""{"prefixItems":[{"type":"null"}],"items":false}""", new[] { "[null]" }, new[] { "[1]", "[null,null]", "null" })]
    [InlineData("""{"prefixItems":[{"type":"null"},{"type":"boolean"}],"items":{"type":"string"},"maxItems":2}""", new[] { "[null,true]" }, new[] { "[null]", "[null,true,\"a\"]" })]
    [InlineData("""{"prefixItems":[{"type":"null"},{"type":"boolean"}],"maxItems":1}""", new[] { "[null]" }, new[] { "[]", "[null,true]" })]
    [InlineData("""{"prefixItems":[{"type":"null"}],"maxItems":0}""", new[] { "[]", "[ ]" }, new[] { "[null]" })]
    [InlineData("""{"oneOf":[{"type":"array","prefixItems":[{"type":"integer"}]},{"type":"object"}]}""", new[] { "[1]", "{}" }, new[] { "[\"a\"]", "1" })]
    [InlineData("""{"items":[{"type":"integer"},{"type":"string"}],"minItems":2,"maxItems":2}""", new[] { "[1,\"a\"]" }, new[] { "[]", "[1]", "[\"a\",1]", "[1,\"a\",2]" })]
    [InlineData("""{"type":"array","items":[{"type":"null"}],"additionalItems":false}""", new[] { "[null]" }, new[] { "[1]", "[null,null]", "null" })]
    [InlineData("""{"type":"array","items":[],"additionalItems":{"type":"null"}}""", new[] { "[]", "[null,null]" }, new[] { "[1]" })]
    [InlineData("""{"type":"array","items":[]}""", new[] { "[]", "[1,null]" }, new[] { "{}" })]
    [InlineData("""{"type":"array","items":{"type":"null"},"additionalItems":false}""", new[] { "[]", "[null,null]" }, new[] { "[1]" })]
    [InlineData("""{"type":"integer","minimum":1,"exclusiveMinimum":true,"maximum":5,"exclusiveMaximum":true}""", new[] { "2", "4" }, new[] { "1", "5" })]
    [InlineData("""{"type":"integer","minimum":1,"exclusiveMinimum":false,"maximum":5,"exclusiveMaximum":false}""", new[] { "1", "5" }, new[] { "0", "6" })]
    [InlineData("""{"allOf":[{"type":"number","minimum":1,"exclusiveMinimum":true},{"minimum":1},{"maximum":3}]}""", new[] { "1.5", "3" }, new[] { "1", "4" })]
    [InlineData("""{"oneOf":[{"type":"number","maximum":3},{"type":"number","minimum":3,"exclusiveMinimum":true}]}""", new[] { "3", "3.5" }, new[] { "\"3\"" })]
    [InlineData(
        """{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}""",
        new[] { "-9223372036854775808", "0", "9223372036854775807" }, new[] { "-9223372036854775809", "9223372036854775808", "1.5" })]
    [InlineData(
        """{"type":"integer","exclusiveMinimum":-9223372036854775808,"exclusiveMaximum":9223372036854775807}""",
        new[] { "-9223372036854775807", "9223372036854775806" }, new[] { "-9223372036854775808", "9223372036854775807" })]
    [InlineData(
        """{"type":"integer","exclusiveMinimum":-1e30,"exclusiveMaximum":9223372036854775808}""",
        new[] { "-9223372036854775808", "9223372036854775807" }, new[] { "-9223372036854775809", "9223372036854775808" })]
    [InlineData("""{"type":"integer","minimum":0,"maximum":18446744073709551615}""", new[] { "0", "9223372036854775807" }, new[] { "-1", "18446744073709551616" })]
    [InlineData("""{"type":"integer","minimum":9223372036854775800}""", new[] { "9223372036854775807" }, new[] { "9223372036854775799", "1" })]
    [InlineData("""{"type":"number","minimum":-3.4028234663852886e+38,"maximum":3.4028234663852886e+38}""", new[] { "-1.5", "123456789012345" }, new[] { "1e39", "\"1\"" })]
    [InlineData("""{"type":"number","minimum":-1.7976931348623157e+308,"maximum":1.7976931348623157e+308}""", new[] { "-1.5", "1e30" }, new[] { "1e309", "\"1\"" })]
    [InlineData("""{"type":"number","exclusiveMinimum":0,"maximum":1e400}""", new[] { "0.5", "7" }, new[] { "0", "-1" })]
    [InlineData("""{"type":"number","maximum":1e30}""", new[] { "5", "-0.5" }, new[] { "1e31", "10000000000000000000000000000001" })]
    [InlineData("""{"type":"integer","multipleOf":5,"maximum":1e30}""", new[] { "5", "-10" }, new[] { "6" })]
    [InlineData("""{"type":"number","allOf":[{"maximum":1e30},{"maximum":5},{"minimum":-1e300},{"minimum":-1e30}]}""", new[] { "5", "-6" }, new[] { "6" })]
    [InlineData(
        """{"type":"array","uniqueItems":false,"unevaluatedItems":true,"items":{"type":"object","patternProperties":{},"dependentRequired":{},"dependentSchemas":{},"unevaluatedProperties":{}}}""",
        new[] { "[]", "[{},{}]" }, new[] { "[1]" })]
    [InlineData(
        """{"type":"integer","enum":[1,2],"enumNames":["a","b"],"enumDescriptions":["c","d"],"markdownDescription":"*","errorMessage":{"type":"!"},"propertyOrdering":[],"xml":{"name":"x"},"id":"urn:x"}""",
        new[] { "1", "2" }, new[] { "3", "\"a\"" })]
    [InlineData("""{"pattern":"(^a$|^b$)"}""", new[] { "\"a\"", "\"b\"" }, new[] { "\"ab\"", "\"xa\"", "\"\"" })]
    [InlineData("""{"pattern":"(^|,)a(,|$)"}""", new[] { "\"a\"", "\"b,a\"", "\"b,a,c\"" }, new[] { "\"ba\"", "\"ab\"" })]
    [InlineData("""{"format":"date","pattern":"^2024-"}""", new[] { "\"2024-02-29\"" }, new[] { "\"2023-01-01\"", "\"2024-02-30\"" })]
    [InlineData(
        """{"format":"uri"}""",
        new[] { "\"https://example.com/a%20b?q=1#x\"", "\"http://127.0.0.1:8080\"", "\"file:///tmp/x\"", "\"s3://bucket/key\"" },
        new[] { "\"example.com\"", "\"http://\"", "\"http://a b\"", "\"http://a:99999\"", "\"http://a/%zz\"", "\"\"" })]
    [InlineData(
        """{"format":"uri","minLength":1,"maxLength":2083}""",
        new[] { "\"https://www.example.com/a%20b?q=1#x\"", "\"http://127.0.0.1:8080\"", "\"file:///tmp/x\"", "\"https://xn--bcher-kva.example/#\"" },
        new[] { "\"example.com\"", "\"http://\"", "\"http://a-/\"", "\"http://a/%zz\"", "\"\"" })]
    [InlineData("""{"format":"uri","maxLength":149}""", new[] { "\"http://example.com/x\"" }, new[] { "\"\"" })]
    [InlineData("""{"format":"uri","maxLength":20}""", new[] { "\"http://example.com/x\"" }, new[] { "\"http://example.com/xy\"" })]
    public void KeywordsAllowWhatTheySay(string schema, string[] valid, string[] invalid)
    {
        Grammar grammar = Vocabularies.FromSchema(schema);
        Assert.All(valid, text => Assert.True(grammar.Matches(text), text));
        Assert.All(invalid, text => Assert.False(grammar.Matches(text), text));
    }

    [Theory]
    [InlineData("""{"minLength":3,"maxLength":2}""", "$.maxLength: 2 is less than minLength, 3")]
    [InlineData("""{"minLength":-1}""", "$.minLength: a whole number from 0 is expected")]
    [InlineData("""{"minLength":1000000}""", "$.minLength: a whole number from 0 to 100000")]
    [InlineData("""{"pattern":"^ab$","minLength":3}""", "no text matches it")]
    [InlineData("""{"pattern":"^(\\w|é)+$","minLength":5000}""", "a simpler one is expected")]
    [InlineData("""{"allOf":[]}""", "$.allOf: an array of schemas, not empty")]
    [InlineData("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", "$.allOf.type: no value has the types")]
    [InlineData("""{"allOf":[{"pattern":"a"},{"pattern":"b"}]}""", "$.allOf.pattern: \"allOf\" of two schemas with different \"pattern\"")]
    [InlineData("""{"allOf":[{"enum":[1]},{"enum":[2]}]}""", "$.enum: an array of values, not empty")]
    [InlineData("""{"allOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{}},"additionalProperties":false}]}""", "$.required: \"a\" is not declared")]
    [InlineData("""{"allOf":[{"$ref":"#"},{"type":"object"}]}""", "schemas that refer to themselves")]
    [InlineData("""{"oneOf":[{"type":"string"},{"type":["null","string"]}]}""", "$.oneOf: [0] and [1] do not exclude each other")]
    [InlineData("""{"oneOf":[{"type":"number"},{"type":"integer"}]}""", "do not exclude")]
    [InlineData("""{"oneOf":[{"maximum":3},{"type":"string"}]}""", "do not exclude")]
    [InlineData("""{"oneOf":[{"type":"object","properties":{"k":{"const":1}}},{"type":"object","properties":{"k":{"const":2}}}]}""", "do not exclude")]
    [InlineData("""{"oneOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"$defs":{"a":{"oneOf":[{"$ref":"#/$defs/a"},{"type":"string"}]}}}""", "do not exclude")]
    public void WhatCannotBeKeptIsRefused(string schema, string expected)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Vocabularies.FromSchema(schema));
        Assert.Contains(expected, error.Message);
        Assert.StartsWith("the JSON schema: ", error.Message);
    }

    [Fact]
    public void MasksNearAndFarFromTheBoundsAreThoseOfEachToken()
    {
        TokenMasks masks = Vocabularies.Small();
        GrammarMatcher matcher = masks.CreateMatcher(Vocabularies.FromSchema("""{"type":"array","items":{"type":"string","minLength":60,"maxLength":120}}"""));
        Random random = new(5);
        Assert.True(matcher.TryText("[\""));
        for (int length = 0; length <= 120;)
        {
            uint[] mask = matcher.Mask(masks);
            for (int token = 0; token < Vocabularies.SmallTokens.Length; token++)
            {
                Assert.True(matcher.Clone().TryAccept(token) == mask.Has(token), $"token {token} behind {length} characters");
            }

            length++;
            _ = matcher.TryText(random.Next(4) switch { 0 => "é", 1 => "😀", 2 => "\\n", _ => "x" });
        }

        Assert.False(matcher.TryText("x"));
        Assert.True(matcher.TryText("\"]"));
    }

    [Theory]
    [InlineData(150)]
    [InlineData(255)]
    [InlineData(2083)]
    [InlineData(100000)]
    public void TheLongestUriIsWithinItsLimit(int most)
    {
        GrammarMatcher matcher = Vocabularies.Small().CreateMatcher(Vocabularies.FromSchema($$"""{"format":"uri","minLength":1,"maxLength":{{most}}}"""));
        Assert.True(matcher.TryText("\"" + new string('a', 16) + "://a"));
        int length = 20;
        foreach (string unit in (string[])["--a", ":65535", "/", "%AA", "#", "%AA"])
        {
            bool once = unit is ":65535" or "/" or "#";
            while (matcher.TryText(unit))
            {
                length += unit.Length;
                if (once)
                {
                    break;
                }
            }
        }

        Assert.InRange(length, most / 2, most);
        Assert.True(matcher.TryText("\""));
    }

    [Fact]
    public void LongCountsAreSmallAndHaveFewMasks()
    {
        Grammar grammar = Vocabularies.FromSchema("""{"type":"string","minLength":5000,"maxLength":20000}""");
        Assert.InRange(grammar.Program.Heights.Length, 20_000, 21_000);
        TokenMasks masks = Vocabularies.Small();
        GrammarMatcher matcher = masks.CreateMatcher(grammar);
        HashSet<string> seen = [];
        Assert.True(matcher.TryText("\""));
        for (int i = 0; i < 20_000; i++)
        {
            Assert.True(matcher.TryText("x"));
            seen.Add(Convert.ToHexString(Encoding.UTF8.GetBytes(string.Join(',', matcher.Mask(masks)))));
        }

        int longest = Vocabularies.SmallTokens.Max(static token => token?.Length ?? 0);
        Assert.InRange(seen.Count, 3, 3 + (2 * longest));
        Assert.True(matcher.TryText("\""));
    }

    [Fact]
    public void TaggedArgumentsThatAreOnlyRequiredAreJson()
    {
        using JsonDocument schema = JsonDocument.Parse(
            """{"type":"object","properties":{"a":{"type":"string"}},"required":["b","a"],"additionalProperties":{"type":"string"}}""");
        (string Name, GrammarNode Value, bool Required)[] arguments = [.. SchemaReader.ReadArguments(schema.RootElement, "</v>", new GrammarBudget())];
        Assert.Equal([("a", true), ("b", true)], arguments.Select(static argument => (argument.Name, argument.Required)));
        Assert.True(new Grammar(arguments[1].Value).Matches("\"12\""));
        Assert.False(new Grammar(arguments[1].Value).Matches("12"));
    }

    [Fact]
    public void TaggedArgumentsHaveLengthsToo()
    {
        using JsonDocument schema = JsonDocument.Parse(
            """{"type":"object","properties":{"q":{"type":"string","minLength":2,"maxLength":4},"n":{"allOf":[{"type":"integer"},{"minimum":3}]},"o":{"oneOf":[{"type":"string","maxLength":1},{"type":"null"}]}},"required":["q"]}""");
        (string Name, GrammarNode Value, bool Required)[] arguments = [.. SchemaReader.ReadArguments(schema.RootElement, "</v>", new GrammarBudget())];
        Assert.True(new Grammar(arguments[0].Value).Matches("a<éb"));
        Assert.False(new Grammar(arguments[0].Value).Matches("a"));
        Assert.False(new Grammar(arguments[0].Value).Matches("abcde"));
        Assert.True(new Grammar(arguments[1].Value).Matches("3"));
        Assert.False(new Grammar(arguments[1].Value).Matches("2"));
        Assert.True(new Grammar(arguments[2].Value).Matches("x"));
        Assert.False(new Grammar(arguments[2].Value).Matches("xy"));
    }
}
