using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>allOf: the keywords that say what those of two schemas say together.</summary>
internal static class SchemaMerge
{
    /// <param name="first">The keywords of one schema.</param>
    /// <param name="second">Those of another one.</param>
    /// <param name="path">Where they are put together.</param>
    /// <param name="limits">What schemas may cost.</param>
    /// <exception cref="UserErrorException">Both use a keyword whose values cannot become one, or nothing is valid under both.</exception>
    public static Dictionary<string, JsonElement> Merge(
        Dictionary<string, JsonElement> first, Dictionary<string, JsonElement> second, string path, SchemaLimits limits)
    {
        // Items of the one schema would be those behind the items of the other.
        if (HasOtherItems(first, second) || HasOtherItems(second, first))
        {
            throw SchemaReader.Error($"{path}.prefixItems", "\"allOf\" of one schema with \"prefixItems\" and another one with \"items\" is not supported");
        }

        Dictionary<string, JsonElement> result = new(first, StringComparer.Ordinal);
        foreach ((string keyword, JsonElement value) in second)
        {
            result[keyword] = !first.TryGetValue(keyword, out JsonElement other) || (keyword != "properties" && JsonElement.DeepEquals(value, other))
                ? value
                : Both(keyword, other, value, path, limits);
        }

        // What one schema says about others applies to what only the other one declares.
        if (first.ContainsKey("properties") || second.ContainsKey("properties"))
        {
            SortedDictionary<int, (string Name, string Schema)> properties = [];
            Declare(properties, first, second, path, limits);
            Declare(properties, second, first, path, limits);
            result["properties"] = Parse($"{{{string.Join(',', properties.Values.Select(static property => $"{JsonConstants.Quote(property.Name)}:{property.Schema}"))}}}", path, limits);
        }

        return result;
    }

    private static bool HasOtherItems(Dictionary<string, JsonElement> first, Dictionary<string, JsonElement> second) =>
        first.ContainsKey("prefixItems") && !second.ContainsKey("prefixItems") && second.ContainsKey("items");

    private static void Declare(
        SortedDictionary<int, (string Name, string Schema)> properties,
        Dictionary<string, JsonElement> schema,
        Dictionary<string, JsonElement> other,
        string path,
        SchemaLimits limits)
    {
        if (!schema.TryGetValue("properties", out JsonElement declared))
        {
            return;
        }

        if (declared.ValueKind != JsonValueKind.Object)
        {
            throw SchemaReader.Error(path + ".properties", $"an object is expected, not {SchemaReader.Describe(declared)}");
        }

        HashSet<string> known = new(properties.Values.Select(static property => property.Name), StringComparer.Ordinal);
        foreach (JsonProperty property in declared.EnumerateObject().Where(property => !known.Contains(property.Name)))
        {
            JsonElement? beside = other.TryGetValue("properties", out JsonElement others) && others.ValueKind == JsonValueKind.Object
                && others.TryGetProperty(property.Name, out JsonElement same) ? same
                : other.TryGetValue("additionalProperties", out JsonElement additional) ? additional
                : null;
            if (beside is not { ValueKind: JsonValueKind.False })
            {
                properties.Add(properties.Count, (property.Name, beside is { } both ? All(property.Value, both, path, limits).GetRawText() : property.Value.GetRawText()));
            }
        }
    }

    private static JsonElement Both(string keyword, JsonElement first, JsonElement second, string path, SchemaLimits limits) => keyword switch
    {
        "properties" => first,
        "type" => Types(first, second, path, limits),
        "required" => Parse($"[{string.Join(',', Items(first).Concat(Items(second)).Select(static name => name.GetRawText()).Distinct(StringComparer.Ordinal))}]", path, limits),
        "enum" => Parse($"[{string.Join(',', Items(first).Where(value => Items(second).Any(other => JsonElement.DeepEquals(value, other))).Select(static value => value.GetRawText()))}]", path, limits),
        "minimum" or "exclusiveMinimum" or "minItems" or "minLength" => Compare(first, second, keyword, path) >= 0 ? first : second,
        "maximum" or "exclusiveMaximum" or "maxItems" or "maxLength" => Compare(first, second, keyword, path) <= 0 ? first : second,
        "multipleOf" when IsMultiple(Number(first, keyword, path), Number(second, keyword, path)) => first,
        "multipleOf" when IsMultiple(Number(second, keyword, path), Number(first, keyword, path)) => second,
        "additionalProperties" when first.ValueKind == JsonValueKind.False => first,
        "additionalProperties" when second.ValueKind == JsonValueKind.False => second,
        "items" or "additionalProperties" => All(first, second, path, limits),
        _ => throw SchemaReader.Error(
            $"{path}.{keyword}", $"\"allOf\" of two schemas with different \"{keyword}\" is not supported ({SchemaReader.Describe(first)} and {SchemaReader.Describe(second)})"),
    };

    private static JsonElement All(JsonElement first, JsonElement second, string path, SchemaLimits limits) =>
        first.ValueKind == JsonValueKind.True || second.ValueKind == JsonValueKind.False || JsonElement.DeepEquals(first, second) ? second
        : second.ValueKind == JsonValueKind.True || first.ValueKind == JsonValueKind.False ? first
        : Parse($"{{\"allOf\":[{first.GetRawText()},{second.GetRawText()}]}}", path, limits);

    private static JsonElement Types(JsonElement first, JsonElement second, string path, SchemaLimits limits)
    {
        List<string> types =
        [
            .. (first.ValueKind == JsonValueKind.Array ? first.EnumerateArray() : (IEnumerable<JsonElement>)[first])
                .Select(type => DeclaredTypes.Named(type) & DeclaredTypes.Named(second))
                .Where(static common => common != JsonTypes.None)
                .Select(static common => DeclaredTypes.Names.First(name => name.Value == common).Key)
                .Distinct(StringComparer.Ordinal)
        ];
        return types.Count > 0
            ? Parse($"[{string.Join(',', types.Select(JsonConstants.Quote))}]", path, limits)
            : throw SchemaReader.Error(path + ".type", $"no value has the types {SchemaReader.Describe(first)} and {SchemaReader.Describe(second)} at once");
    }

    private static IEnumerable<JsonElement> Items(JsonElement list) => list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];

    // Decimals have more digits, doubles reach further.
    private static int Compare(JsonElement first, JsonElement second, string keyword, string path) =>
        (first.ValueKind, second.ValueKind) == (JsonValueKind.Number, JsonValueKind.Number) && !(first.TryGetDecimal(out _) && second.TryGetDecimal(out _))
            ? first.GetDouble().CompareTo(second.GetDouble())
            : Number(first, keyword, path).CompareTo(Number(second, keyword, path));

    private static decimal Number(JsonElement value, string keyword, string path) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number)
            ? number
            : throw SchemaReader.Error($"{path}.{keyword}", $"a number is expected, not {SchemaReader.Describe(value)}");

    private static bool IsMultiple(decimal number, decimal of) => of != 0 && number % of == 0;

    /// <summary>What was put together, as a schema.</summary>
    public static JsonElement Parse(string json, string path, SchemaLimits limits)
    {
        limits.AddMerged(json, path);
        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 512 });
        return document.RootElement.Clone();
    }
}
