using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// Whether two schemas exclude each other by what they say: by their types, constants or ranges of numbers, by a property that both require and
/// that has such schemas, or by one that one requires and the other forbids. False where that cannot be seen.
/// </summary>
/// <param name="reader">Reads keywords and references.</param>
internal sealed class DisjointSchemas(SchemaReader reader)
{
    private const int MaxDepth = 16;
    private const int MaxComparisons = 50_000;

    private int _comparisons;

    /// <summary>Checks that at most one of some schemas validates what is generated for any of them.</summary>
    /// <exception cref="UserErrorException">It cannot be seen of two of them.</exception>
    public void Check(JsonElement schemas, string path)
    {
        JsonElement[] branches = [.. schemas.EnumerateArray()];
        for (int i = 0; i < branches.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (!Are(branches[j], branches[i], path, 0))
                {
                    throw SchemaReader.Error(
                        path,
                        $"[{j}] and [{i}] do not exclude each other by their types, constants, ranges or required properties; \"oneOf\" needs that, \"anyOf\" does not");
                }
            }
        }
    }

    private bool Are(JsonElement first, JsonElement second, string path, int depth)
    {
        if (depth > MaxDepth || ++_comparisons > MaxComparisons)
        {
            return false;
        }

        List<Dictionary<string, JsonElement>>? alternatives = Alternatives(second, path, depth);
        return alternatives is not null && Alternatives(first, path, depth) is { } others
            && others.TrueForAll(one => alternatives.TrueForAll(other => AreAlternatives(one, other, path, depth)));
    }

    // The keywords of a schema, of each one where it is a choice; null where there are too many references.
    private List<Dictionary<string, JsonElement>>? Alternatives(JsonElement schema, string path, int depth)
    {
        if (depth > MaxDepth || ++_comparisons > MaxComparisons)
        {
            return null;
        }

        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return schema.ValueKind == JsonValueKind.True ? [[]] : [];
        }

        Dictionary<string, JsonElement> keywords = reader.Keywords(schema, path);
        if (keywords.TryGetValue("$ref", out JsonElement reference))
        {
            (JsonElement target, string name) = reader.Target(reference, path);
            return Alternatives(target, name, depth + 1);
        }

        if (!keywords.TryGetValue("anyOf", out JsonElement branches) && !keywords.TryGetValue("oneOf", out branches))
        {
            return [keywords];
        }

        List<Dictionary<string, JsonElement>> all = [];
        foreach (JsonElement branch in branches.ValueKind == JsonValueKind.Array ? branches.EnumerateArray() : (IEnumerable<JsonElement>)[])
        {
            if (Alternatives(branch, path, depth + 1) is not { } some)
            {
                return null;
            }

            all.AddRange(some);
        }

        return all;
    }

    private bool AreAlternatives(Dictionary<string, JsonElement> first, Dictionary<string, JsonElement> second, string path, int depth)
    {
        List<JsonElement>? constants = Constants(first);
        List<JsonElement>? others = Constants(second);
        if (constants is not null && others is not null)
        {
            return !constants.Exists(value => others.Exists(other => JsonElement.DeepEquals(value, other)));
        }

        if ((constants ?? others) is { } values)
        {
            JsonTypes possible = ValidTypes(constants is null ? first : second);
            return values.TrueForAll(value => (DeclaredTypes.TypeOfJson(value.GetRawText()) & possible) == JsonTypes.None);
        }

        // Keywords of one type say nothing about values of others: those are valid, but never generated.
        JsonTypes common = (GeneratedTypes(first) & ValidTypes(second)) | (ValidTypes(first) & GeneratedTypes(second));
        return (common & ~(JsonTypes.Object | JsonTypes.Numbers)) == JsonTypes.None
            && ((common & JsonTypes.Numbers) == JsonTypes.None || AreRanges(first, second) || AreRanges(second, first))
            && ((common & JsonTypes.Object) == JsonTypes.None || AreObjects(first, second, path, depth));
    }

    private static List<JsonElement>? Constants(Dictionary<string, JsonElement> keywords) =>
        keywords.TryGetValue("const", out JsonElement constant) ? [constant]
        : keywords.TryGetValue("enum", out JsonElement values) && values.ValueKind == JsonValueKind.Array ? [.. values.EnumerateArray()]
        : null;

    private static JsonTypes ValidTypes(Dictionary<string, JsonElement> keywords) =>
        keywords.TryGetValue("type", out JsonElement type) ? DeclaredTypes.Named(type) : JsonTypes.All;

    private static JsonTypes GeneratedTypes(Dictionary<string, JsonElement> keywords) =>
        keywords.Count == 0 || keywords.ContainsKey("type")
            ? ValidTypes(keywords)
            : keywords.Keys.Aggregate(JsonTypes.None, static (all, keyword) => all | SchemaKeywords.TypesOf(keyword));

    private static bool AreRanges(Dictionary<string, JsonElement> low, Dictionary<string, JsonElement> high)
    {
        decimal? most = Number(low, "maximum") ?? Number(low, "exclusiveMaximum");
        decimal? least = Number(high, "minimum") ?? Number(high, "exclusiveMinimum");
        return most < least || (most == least && most is not null && !(low.ContainsKey("maximum") && high.ContainsKey("minimum")));
    }

    private static decimal? Number(Dictionary<string, JsonElement> keywords, string keyword) =>
        keywords.TryGetValue(keyword, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) ? number : null;

    private bool AreObjects(Dictionary<string, JsonElement> first, Dictionary<string, JsonElement> second, string path, int depth)
    {
        List<string> names = Required(first);
        List<string> others = Required(second);
        return names.Exists(name => Forbids(second, name))
            || others.Exists(name => Forbids(first, name))
            || names.Exists(name => others.Contains(name) && Property(first, name) is { } one && Property(second, name) is { } other && Are(one, other, path, depth + 1));
    }

    private static bool Forbids(Dictionary<string, JsonElement> keywords, string name) =>
        Property(keywords, name) is { ValueKind: JsonValueKind.False }
        || (keywords.TryGetValue("additionalProperties", out JsonElement additional) && additional.ValueKind == JsonValueKind.False && Property(keywords, name) is null);

    private static JsonElement? Property(Dictionary<string, JsonElement> keywords, string name) =>
        keywords.TryGetValue("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
            && properties.TryGetProperty(name, out JsonElement schema) ? schema : null;

    private static List<string> Required(Dictionary<string, JsonElement> keywords) =>
        keywords.TryGetValue("required", out JsonElement names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Where(static name => name.ValueKind == JsonValueKind.String).Select(static name => name.GetString()!)]
            : [];
}
