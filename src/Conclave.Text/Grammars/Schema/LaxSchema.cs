using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>What is taken in place of a schema that cannot be kept and whose sender was not promised that it would be: any value of the types that it declares.</summary>
internal static class LaxSchema
{
    /// <summary>Any value of the types that a schema declares; an object where it declares none.</summary>
    /// <exception cref="UserErrorException">It is no schema: a keyword has a value that it cannot have. The message names the path.</exception>
    public static GrammarNode Read(JsonElement schema)
    {
        SchemaLimits.CheckText(schema);
        Check(schema, "$");
        JsonTypes types = DeclaredTypes.TypesOf(schema, schema);
        if (types == JsonTypes.None)
        {
            return JsonGrammar.AnyObject;
        }

        // Every integer is a number.
        IEnumerable<string> names = DeclaredTypes.Names
            .Where(name => name.Value == JsonTypes.Integer ? (types & JsonTypes.Numbers) == JsonTypes.Integer : (types & name.Value & ~JsonTypes.Integer) != JsonTypes.None)
            .Select(static name => JsonConstants.Quote(name.Key));
        return SchemaReader.Read(JsonElement.Parse($$"""{"type":[{{string.Join(',', names)}}]}"""), new GrammarBudget());
    }

    private static void Check(JsonElement schema, string path)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return;
        }

        Expect(schema.ValueKind == JsonValueKind.Object, "a schema (an object)", schema, path);
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            Check(keyword.Name, keyword.Value, $"{path}.{keyword.Name}");
        }
    }

    private static void Check(string keyword, JsonElement value, string path)
    {
        switch (keyword)
        {
            case "type":
                _ = SchemaReader.TypesOf(value, path);
                break;
            case "properties" or "patternProperties" or "dependentSchemas" or "$defs" or "definitions":
                Expect(value.ValueKind == JsonValueKind.Object, "an object", value, path);
                foreach (JsonProperty member in value.EnumerateObject())
                {
                    Check(member.Value, $"{path}.{member.Name}");
                }

                break;
            case "items" when value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0:
                break;
            case "items" when value.ValueKind == JsonValueKind.Array:
            case "prefixItems" or "anyOf" or "oneOf" or "allOf":
                foreach ((JsonElement branch, string place) in SchemaReader.Branches(value, path))
                {
                    Check(branch, place);
                }

                break;
            case "items" or "additionalItems" or "unevaluatedItems" or "contains" or "additionalProperties" or "unevaluatedProperties" or "propertyNames" or "not" or "if" or "then" or "else":
                Check(value, path);
                break;
            case "enum":
                Expect(value.ValueKind == JsonValueKind.Array, "an array of values", value, path);
                break;
            case "required":
                Expect(value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(static name => name.ValueKind == JsonValueKind.String), "an array of names", value, path);
                break;
            case "pattern" or "format" or "$ref":
                Expect(value.ValueKind == JsonValueKind.String, "a string", value, path);
                break;
            case "uniqueItems" or "nullable":
                Expect(value.ValueKind is JsonValueKind.True or JsonValueKind.False, "true or false", value, path);
                break;
            case "exclusiveMinimum" or "exclusiveMaximum":
                Expect(value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False, "a number", value, path);
                break;
            case "minimum" or "maximum" or "multipleOf" or "minLength" or "maxLength" or "minItems" or "maxItems" or "minProperties" or "maxProperties" or "minContains" or "maxContains":
                Expect(value.ValueKind == JsonValueKind.Number, "a number", value, path);
                break;
        }
    }

    private static void Expect(bool fits, string expected, JsonElement value, string path)
    {
        if (!fits)
        {
            throw SchemaReader.Error(path, $"{expected} is expected, not {SchemaReader.Describe(value)}");
        }
    }
}
