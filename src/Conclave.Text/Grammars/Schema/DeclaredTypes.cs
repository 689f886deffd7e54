using System.Text;
using System.Text.Json;

namespace Conclave.Text.Grammars;

/// <summary>What a schema says about the types of values. It is not trusted: what is not understood says nothing.</summary>
internal static class DeclaredTypes
{
    private const int MaxDepth = 8;
    private const int MaxAlternatives = 64;

    /// <summary>What each name of a type stands for.</summary>
    public static IReadOnlyDictionary<string, JsonTypes> Names { get; } = new Dictionary<string, JsonTypes>(StringComparer.Ordinal)
    {
        ["string"] = JsonTypes.String, ["number"] = JsonTypes.Numbers, ["integer"] = JsonTypes.Integer, ["boolean"] = JsonTypes.Boolean,
        ["null"] = JsonTypes.Null, ["object"] = JsonTypes.Object, ["array"] = JsonTypes.Array,
    };

    /// <summary>The types that an argument can have.</summary>
    public static JsonTypes TypesOf(JsonElement? parameters, string name)
    {
        if (parameters is not { ValueKind: JsonValueKind.Object } root)
        {
            return JsonTypes.None;
        }

        try
        {
            int budget = MaxAlternatives;
            JsonElement schema = Resolve(root, root);
            return Member(schema, "properties") is { ValueKind: JsonValueKind.Object } properties && properties.TryGetProperty(name, out JsonElement property)
                ? TypesOf(property, root, 0, ref budget)
                : JsonTypes.None;
        }
        catch (InvalidOperationException)
        {
            // A string with an unpaired surrogate somewhere.
            return JsonTypes.None;
        }
    }

    /// <summary>The types of a schema that is part of another.</summary>
    public static JsonTypes TypesOf(JsonElement schema, JsonElement root)
    {
        int budget = MaxAlternatives;
        return TypesOf(schema, root, 0, ref budget);
    }

    /// <summary>The types that a text has as JSON; none if it is not JSON.</summary>
    public static JsonTypes TypeOfJson(ReadOnlySpan<char> text)
    {
        // Nothing else begins a JSON value.
        if (text.IsEmpty || (!char.IsAsciiDigit(text[0]) && text[0] is not ('-' or '"' or '{' or '[' or 't' or 'f' or 'n')))
        {
            return JsonTypes.None;
        }

        byte[] bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        Utf8JsonReader reader = new(bytes.AsSpan(0, Encoding.UTF8.GetBytes(text, bytes)));
        try
        {
            _ = reader.Read();
            JsonTypes type = reader.TokenType switch
            {
                JsonTokenType.String => JsonTypes.String,
                JsonTokenType.Number => text.IndexOfAny(".eE") < 0 || (reader.TryGetDecimal(out decimal number) && decimal.IsInteger(number))
                    ? JsonTypes.Numbers : JsonTypes.Number,
                JsonTokenType.True or JsonTokenType.False => JsonTypes.Boolean,
                JsonTokenType.Null => JsonTypes.Null,
                JsonTokenType.StartObject => JsonTypes.Object,
                _ => JsonTypes.Array,
            };
            while (reader.Read())
            {
            }

            return type;
        }
        catch (JsonException)
        {
            return JsonTypes.None;
        }
    }

    /// <summary>The types that the value of the keyword "type" names, one or a list.</summary>
    public static JsonTypes Named(JsonElement type) =>
        type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().Aggregate(JsonTypes.None, static (all, one) => all | Named(one))
        : type.ValueKind == JsonValueKind.String ? Names.GetValueOrDefault(type.GetString()!)
        : JsonTypes.None;

    private static JsonTypes TypesOf(JsonElement schema, JsonElement root, int depth, ref int budget)
    {
        JsonElement target = Resolve(schema, root);
        bool nullable = Member(schema, "nullable") is { ValueKind: JsonValueKind.True } || Member(target, "nullable") is { ValueKind: JsonValueKind.True };
        JsonTypes types = SaidTypes(target, root, depth, ref budget);
        return types != JsonTypes.None && nullable ? types | JsonTypes.Null : types;
    }

    private static JsonTypes SaidTypes(JsonElement schema, JsonElement root, int depth, ref int budget)
    {
        if (schema.ValueKind != JsonValueKind.Object || depth > MaxDepth || --budget < 0)
        {
            return JsonTypes.None;
        }

        if (Member(schema, "type") is { } type)
        {
            return Named(type);
        }

        if (Member(schema, "const") is { } constant)
        {
            return TypeOfJson(constant.GetRawText());
        }

        if (Member(schema, "enum") is { ValueKind: JsonValueKind.Array } values)
        {
            return values.EnumerateArray().Aggregate(JsonTypes.None, static (all, one) => all | TypeOfJson(one.GetRawText()));
        }

        if ((Member(schema, "anyOf") ?? Member(schema, "oneOf")) is { ValueKind: JsonValueKind.Array } branches)
        {
            JsonTypes types = JsonTypes.None;
            foreach (JsonElement branch in branches.EnumerateArray())
            {
                JsonTypes one = TypesOf(branch, root, depth + 1, ref budget);
                if (one == JsonTypes.None)
                {
                    return one;
                }

                types |= one;
            }

            return types;
        }

        if (Member(schema, "allOf") is { ValueKind: JsonValueKind.Array } parts)
        {
            JsonTypes types = JsonTypes.None;
            foreach (JsonElement part in parts.EnumerateArray())
            {
                JsonTypes one = TypesOf(part, root, depth + 1, ref budget);
                types = types == JsonTypes.None ? one : one == JsonTypes.None ? types : types & one;
            }

            return types;
        }

        return (Member(schema, "pattern") ?? Member(schema, "format") ?? Member(schema, "minLength") ?? Member(schema, "maxLength")) is not null ? JsonTypes.String
            : Member(schema, "properties") is not null ? JsonTypes.Object
            : (Member(schema, "items") ?? Member(schema, "prefixItems")) is not null ? JsonTypes.Array
            : JsonTypes.None;
    }

    // References into the schema itself, a few steps of them.
    private static JsonElement Resolve(JsonElement schema, JsonElement root)
    {
        for (int step = 0; step < MaxDepth && Member(schema, "$ref") is { ValueKind: JsonValueKind.String } reference; step++)
        {
            string text = reference.GetString()!;
            JsonElement target = root;
            foreach (string key in JsonPointer.Keys(text))
            {
                target = Member(target, key) ?? default;
            }

            schema = text.StartsWith('#') ? target : default;
        }

        return schema;
    }

    private static JsonElement? Member(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) ? value : null;
}
