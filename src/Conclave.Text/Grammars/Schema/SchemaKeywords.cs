using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>Which keywords of schemas there are, and what of them says nothing about what is valid.</summary>
internal static class SchemaKeywords
{
    /// <summary>What is read, for people.</summary>
    public const string Supported =
        "type, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, enum, const, anyOf, oneOf, allOf, $ref, $defs, pattern, format, minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, nullable, minProperties of 0, propertyNames of {\"type\": \"string\"}";

    // They say nothing about what is valid, or are read where they are referred to. What a string's content is encoded in is said to readers, other words to forms, editors and other generators.
    private static readonly HashSet<string> Annotations = new(StringComparer.Ordinal)
    {
        "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "discriminator",
        "externalDocs", "contentMediaType", "contentEncoding", "contentSchema", "id", "enumNames", "enumDescriptions", "markdownDescription", "errorMessage", "propertyOrdering", "xml",
    };

    private static readonly Dictionary<string, JsonTypes> Types = new(StringComparer.Ordinal)
    {
        ["properties"] = JsonTypes.Object, ["required"] = JsonTypes.Object, ["additionalProperties"] = JsonTypes.Object,
        ["items"] = JsonTypes.Array, ["prefixItems"] = JsonTypes.Array, ["minItems"] = JsonTypes.Array, ["maxItems"] = JsonTypes.Array,
        ["pattern"] = JsonTypes.String, ["format"] = JsonTypes.String, ["minLength"] = JsonTypes.String, ["maxLength"] = JsonTypes.String,
        ["minimum"] = JsonTypes.Numbers, ["maximum"] = JsonTypes.Numbers, ["exclusiveMinimum"] = JsonTypes.Numbers, ["exclusiveMaximum"] = JsonTypes.Numbers,
        ["multipleOf"] = JsonTypes.Numbers,
    };

    /// <summary>The types that a keyword speaks of; none if it is not about one.</summary>
    public static JsonTypes TypesOf(string keyword) => Types.GetValueOrDefault(keyword);

    /// <summary>Whether a keyword says nothing about what is valid. Names that begin with "x-" are OpenAPI's for extensions.</summary>
    public static bool IsAnnotation(string keyword) => Annotations.Contains(keyword) || keyword.StartsWith("x-", StringComparison.Ordinal);

    /// <summary>Whether a keyword with this value asks for nothing, as annotations do: every object has no properties or more.</summary>
    public static bool AsksForNothing(JsonProperty keyword) => IsAnnotation(keyword.Name) || (keyword.Name, keyword.Value.ValueKind) switch
    {
        ("minProperties", JsonValueKind.Number) => keyword.Value.TryGetDecimal(out decimal least) && least == 0,
        ("uniqueItems", JsonValueKind.False) => true,
        ("unevaluatedProperties" or "unevaluatedItems", JsonValueKind.True) => true,
        ("unevaluatedProperties" or "unevaluatedItems" or "patternProperties" or "dependentRequired" or "dependentSchemas" or "dependencies", JsonValueKind.Object) =>
            keyword.Value.GetPropertyCount() == 0,
        _ => false,
    };

    /// <summary>Refuses names of properties that are not just any strings, which is what zod says of a record.</summary>
    /// <exception cref="UserErrorException">They are.</exception>
    public static void CheckPropertyNames(JsonElement names, string path)
    {
        bool any = names.ValueKind == JsonValueKind.True
            || (names.ValueKind == JsonValueKind.Object && names.EnumerateObject().All(static keyword => IsAnnotation(keyword.Name) || (keyword.NameEquals("type") && keyword.Value.ValueKind == JsonValueKind.String && keyword.Value.ValueEquals("string"))));
        if (!any)
        {
            throw SchemaReader.Error(path, $"names of properties under {SchemaReader.Describe(names)} are not supported; {{\"type\": \"string\"}} is");
        }
    }

    /// <summary>Whether a keyword is read.</summary>
    public static bool IsSupported(string keyword) => keyword is "type" or "enum" or "const" or "anyOf" or "oneOf" or "allOf" or "$ref" || Types.ContainsKey(keyword);
}
