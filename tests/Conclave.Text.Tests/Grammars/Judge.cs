using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NJsonSchema;

namespace Conclave.Text.Tests.Grammars;

/// <summary>NJsonSchema, which knows nothing of grammars and says whether a document is valid.</summary>
internal static class Judge
{
    /// <summary>What is wrong with a document; empty if it is valid. "const" is not looked at.</summary>
    public static string ErrorsOf(string json, JsonObject schema)
    {
        // It only follows references from definition to definition under the older name.
        JsonObject copy = schema.DeepClone().AsObject();
        WriteTuplesAsBefore(copy);
        string older = copy.ToJsonString().Replace("$defs", "definitions", StringComparison.Ordinal);

        // Nor does it read a schema that is false.
        older = older.Replace("\"never\":false", "\"never\":{\"not\":{}}", StringComparison.Ordinal);
        JsonSchema validator = JsonSchema.FromJsonAsync(older).GetAwaiter().GetResult();
        using JsonDocument document = JsonDocument.Parse(json);

        // It counts UTF-16 units where JSON Schema counts code points.
        return string.Join('\n', validator.Validate(InTheBasicPlane(document.RootElement)));
    }

    // Nor "prefixItems", which were "items" once, and those behind them "additionalItems".
    private static void WriteTuplesAsBefore(JsonNode? node)
    {
        if (node is JsonObject schema)
        {
            if (schema.Remove("prefixItems", out JsonNode? prefix))
            {
                schema["additionalItems"] = false;
                schema["items"] = prefix;
            }

            schema.ToList().ForEach(static member => WriteTuplesAsBefore(member.Value));
        }
        else if (node is JsonArray list)
        {
            list.ToList().ForEach(WriteTuplesAsBefore);
        }
    }

    private static string InTheBasicPlane(JsonElement element)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            Write(element);

            void Write(JsonElement value)
            {
                switch (value.ValueKind)
                {
                    case JsonValueKind.String:
                        json.WriteStringValue(string.Concat(value.GetString()!.EnumerateRunes().Select(static rune => rune.IsBmp ? rune.ToString() : "中")));
                        break;
                    case JsonValueKind.Array:
                        json.WriteStartArray();
                        value.EnumerateArray().ToList().ForEach(Write);
                        json.WriteEndArray();
                        break;
                    case JsonValueKind.Object:
                        json.WriteStartObject();
                        foreach (JsonProperty property in value.EnumerateObject())
                        {
                            json.WritePropertyName(property.Name);
                            Write(property.Value);
                        }

                        json.WriteEndObject();
                        break;
                    default:
                        value.WriteTo(json);
                        break;
                }
            }
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
