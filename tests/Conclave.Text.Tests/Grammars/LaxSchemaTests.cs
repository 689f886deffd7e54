using System.Text.Json;
using Conclave.Primitives;
using Conclave.Text.Grammars;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Schemas that nobody promised to keep: those that cannot be kept allow any value of the types that they declare; others are kept.</summary>
public class LaxSchemaTests
{
    [Theory]
    [InlineData("""{"type":"array","uniqueItems":true,"items":{"type":"string"}}""", new[] { "[]", "[\"a\",\"a\"]", "[1]" }, new[] { "{}", "1" })]
    [InlineData("""{"type":"object","properties":{"a":{"not":{}}},"required":["a"]}""", new[] { "{}", """{"b":[1]}""" }, new[] { "[]", "null" })]
    [InlineData("""{"minProperties":1}""", new[] { "{}", """{"b":1}""" }, new[] { "[]", "\"a\"" })]
    [InlineData("""{"type":["string","null"],"pattern":"(?=a)b"}""", new[] { "\"a\"", "null" }, new[] { "1", "{}" })]
    [InlineData("""{"type":"integer","not":{"const":3}}""", new[] { "3", "-4" }, new[] { "3.5", "\"3\"" })]
    [InlineData("""{"type":"number","multipleOf":20000}""", new[] { "3", "3.5" }, new[] { "\"3\"" })]
    [InlineData("""{"$ref":"#/$defs/list","$defs":{"list":{"type":"array","contains":{"type":"integer"}}}}""", new[] { "[]" }, new[] { "{}" })]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"},{"type":"boolean"}]}""", new[] { "1", "1.5", "true" }, new[] { "null", "{}" })]
    [InlineData("""{"type":"array","items":{"$ref":"#"},"minItems":1}""", new[] { "[]", "[1]" }, new[] { "{}" })]
    [InlineData("""{"type":"integer","minimum":3}""", new[] { "3" }, new[] { "2" })]
    [InlineData("""{"items":[],"not":{}}""", new[] { "[]" }, new[] { "{}" })]
    public void WhatCannotBeKeptAllowsItsTypes(string schema, string[] valid, string[] invalid)
    {
        Grammar grammar = Grammar.FromJsonSchema(JsonElement.Parse(schema), strict: false);
        Assert.All(valid, text => Assert.True(grammar.Matches(text), text));
        Assert.All(invalid, text => Assert.False(grammar.Matches(text), text));
    }

    // Before each stands what would be given in to.
    [Theory]
    [InlineData("""5""", "$: a schema (an object) is expected, not 5")]
    [InlineData("""{"not":{},"type":"banana"}""", "$.type: one of string, number")]
    [InlineData("""{"not":{},"properties":{"a":{"items":{"type":1}}}}""", "$.properties.a.items.type: one of")]
    [InlineData("""{"not":{},"properties":[]}""", "$.properties: an object is expected, not []")]
    [InlineData("""{"not":{},"items":[{"pattern":5}]}""", "$.items[0].pattern: a string is expected, not 5")]
    [InlineData("""{"not":{},"anyOf":[]}""", "$.anyOf: an array of schemas, not empty, is expected, not []")]
    [InlineData("""{"not":{},"anyOf":[{},7]}""", "$.anyOf[1]: a schema (an object) is expected, not 7")]
    [InlineData("""{"not":{"if":3}}""", "$.not.if: a schema (an object) is expected, not 3")]
    [InlineData("""{"not":{},"enum":"a"}""", "$.enum: an array of values is expected")]
    [InlineData("""{"not":{},"required":["a",1]}""", "$.required: an array of names is expected")]
    [InlineData("""{"not":{},"uniqueItems":"yes"}""", "$.uniqueItems: true or false is expected, not \"yes\"")]
    [InlineData("""{"not":{},"exclusiveMinimum":"1"}""", "$.exclusiveMinimum: a number is expected")]
    [InlineData("""{"not":{},"minProperties":"1"}""", "$.minProperties: a number is expected")]
    [InlineData("""{"not":{},"$defs":{"a":{"nullable":1}}}""", "$.$defs.a.nullable: true or false is expected")]
    [InlineData("""{"not":{},"const":"\ud800"}""", "unpaired surrogate")]
    public void WhatIsNoSchemaIsRefused(string schema, string expected)
    {
        UserErrorException error = Assert.Throws<UserErrorException>(() => Grammar.FromJsonSchema(JsonElement.Parse(schema), strict: false));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("the JSON schema: ", error.Message, StringComparison.Ordinal);
    }
}
