using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Conclave.Text.Tests.Grammars;

/// <summary>Random schemas of the supported subset, and random documents that are valid under them, made without any grammar.</summary>
internal sealed class RandomSchemas(Random random)
{
    private static readonly string[] Names = ["a", "ab", "name", "é", "日本", "with \"quotes\"", "tab\there", "", "back\\slash", "😀", "items", "0"];
    private static readonly string[] Formats = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"];

    private static readonly (string Pattern, string[] Samples)[] Patterns =
    [
        ("^[a-z]{2,5}$", ["ab", "xyz", "zzzzz"]),
        ("^(red|green|blue)(-[0-9]+)?$", ["red", "green-12", "blue-0"]),
        (@"^\d{3}-\d{4}$", ["555-1234"]),
        ("[0-9]", ["1", "x2x", "é 3 \""]),
        (@"^[^a-z]\w*$", ["A", "9_z", "日x"]),
        ("^a|b$", ["abc", "xxb", "a"]),
        (@"^\u00e9+\.?$", ["é", "éé."]),
        ("(^a$|^[b-d]{1,3}$|(?:^x)y*$)", ["a", "cd", "xyy"]),
    ];

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonObject _definitions = [];
    private bool _refers;

    /// <summary>A schema, with definitions that refer to each other and to themselves.</summary>
    public JsonObject Schema()
    {
        int count = random.Next(3);
        for (int i = 0; i < count; i++)
        {
            _definitions[$"D{i}"] = null;
        }

        for (int i = 0; i < count; i++)
        {
            // The recursion is optional, and never inside an array of at least so many items: a document ends soon.
            _definitions[$"D{i}"] = new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject
                {
                    ["value"] = Node(2),
                    ["next"] = new JsonObject { ["anyOf"] = new JsonArray(new JsonObject { ["$ref"] = $"#/$defs/D{random.Next(count)}" }, new JsonObject { ["type"] = "null" }) },
                    ["list"] = new JsonObject { ["type"] = "array", ["maxItems"] = 3, ["items"] = new JsonObject { ["$ref"] = $"#/$defs/D{random.Next(count)}" } },
                },
                ["required"] = new JsonArray("next"),
                ["additionalProperties"] = false,
            };
        }

        _refers = true;
        JsonObject schema = Node(0);
        if (count > 0)
        {
            schema["$defs"] = _definitions;
        }

        return schema;
    }

    /// <summary>A random document that a schema of <see cref="Schema"/> validates.</summary>
    public string Document(JsonObject schema)
    {
        StringBuilder text = new();
        Write(schema, schema, text, 0);
        return text.ToString();
    }

    private JsonObject Node(int depth) => random.Next(depth >= 3 ? 10 : 16) switch
    {
        0 => new JsonObject { ["type"] = "string", ["description"] = "text" },
        1 => new JsonObject { ["type"] = "string", ["pattern"] = Patterns[random.Next(Patterns.Length)].Pattern },
        2 when random.Next(5) == 0 => new JsonObject { ["type"] = "string", ["format"] = "uri", ["minLength"] = 1, ["maxLength"] = random.Next(2) == 0 ? 2083 : 150 },
        2 => new JsonObject { ["type"] = "string", ["format"] = Formats[random.Next(Formats.Length)] },
        3 => Number("integer"),
        4 => Number("number"),
        5 => new JsonObject { ["enum"] = new JsonArray("x", 1.5, null, true, "é\n", new JsonObject { ["k"] = new JsonArray(1, 2) }) },
        6 => new JsonObject { ["const"] = "fixed \"text\"" },
        7 => new JsonObject { ["type"] = new JsonArray("string", "null", "boolean") },
        8 when _refers && _definitions.Count > 0 && depth > 0 => new JsonObject { ["$ref"] = $"#/$defs/D{random.Next(_definitions.Count)}" },
        9 => new JsonObject { ["type"] = "string", ["minLength"] = random.Next(4), ["maxLength"] = random.Next(4, 90) },
        10 => Tagged(depth),
        11 => Merged(depth),
        12 => Array(depth),
        13 => new JsonObject { ["anyOf"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Node(depth + 1))]) },
        _ => Object(depth),
    };

    private JsonObject Number(string type)
    {
        JsonObject schema = new() { ["type"] = type };
        int low = random.Next(-1000, 1000);
        int span = random.Next(20, 5000);
        decimal scale = type == "integer" ? 1 : random.Next(2) == 0 ? 1 : 0.01m;
        if (random.Next(2) == 0)
        {
            schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low * scale;
        }

        if (random.Next(2) == 0)
        {
            schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = (low + span) * scale;
        }

        if (random.Next(3) == 0)
        {
            schema["multipleOf"] = random.Next(1, 9) * scale;
        }

        return schema;
    }

    // Objects that a property with different constants tells apart.
    private JsonObject Tagged(int depth) => new()
    {
        ["oneOf"] = new JsonArray([.. Enumerable.Range(0, random.Next(1, 4)).Select(i => new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject { ["kind"] = new JsonObject { ["enum"] = new JsonArray($"kind {i}") }, ["value"] = Node(depth + 1) },
            ["required"] = new JsonArray("kind"),
            ["additionalProperties"] = random.Next(2) == 0,
        })]),
    };

    // Parts of one object; what the parts say of "n" applies together.
    private JsonObject Merged(int depth)
    {
        JsonObject schema = new()
        {
            ["allOf"] = new JsonArray(
                new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["a"] = Node(depth + 1), ["n"] = new JsonObject { ["type"] = "number", ["minimum"] = 3 } } },
                new JsonObject { ["properties"] = new JsonObject { ["n"] = new JsonObject { ["multipleOf"] = 0.5, ["maximum"] = random.Next(4, 9) }, ["b"] = Node(depth + 1) } }),
            ["required"] = new JsonArray("n"),
        };
        if (random.Next(2) == 0)
        {
            schema["additionalProperties"] = true;
        }

        return schema;
    }

    private JsonObject Array(int depth)
    {
        if (random.Next(4) == 0)
        {
            return Tuple(depth);
        }

        JsonObject schema = new() { ["type"] = "array", ["items"] = Node(depth + 1) };
        int min = random.Next(4);
        if (random.Next(2) == 0)
        {
            schema["minItems"] = min;
        }

        if (random.Next(2) == 0)
        {
            schema["maxItems"] = min + random.Next(3);
        }

        return schema;
    }

    private JsonObject Tuple(int depth)
    {
        JsonNode[] items = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Node(depth + 1))];
        JsonObject schema = new() { ["type"] = "array", ["prefixItems"] = new JsonArray(items) };
        if (random.Next(2) == 0)
        {
            schema["items"] = false;
        }
        else
        {
            schema["minItems"] = items.Length;
            schema["maxItems"] = items.Length;
        }

        return schema;
    }

    private JsonObject Object(int depth)
    {
        string[] names = [.. Names.OrderBy(_ => random.Next()).Take(random.Next(5))];
        JsonObject properties = [];
        foreach (string name in names)
        {
            properties[name] = Node(depth + 1);
        }

        bool never = random.Next(5) == 0;
        JsonObject schema = new()
        {
            ["type"] = "object",
            ["properties"] = properties,
            ["required"] = new JsonArray([.. names.Where(_ => random.Next(2) == 0).Select(static name => JsonValue.Create(name))]),
        };
        schema["additionalProperties"] = random.Next(3) switch { 0 => false, 1 => true, _ => new JsonObject { ["type"] = "integer" } };
        if (random.Next(4) == 0 && schema["additionalProperties"]!.GetValueKind() != JsonValueKind.False)
        {
            schema["required"]!.AsArray().Add("undeclared");
        }

        if (never)
        {
            properties["never"] = false;
        }

        return schema;
    }

    private void Write(JsonObject root, JsonNode? schema, StringBuilder text, int depth)
    {
        if (schema is not JsonObject node)
        {
            text.Append(Pick("{}", "[]", "1.25", "\"\"", "[{\"x\":null}]", "{\"y\": [1, 2]}", "null", "-0.5e-10"));
        }
        else if (node["$ref"] is { } reference)
        {
            Write(root, root["$defs"]![reference.GetValue<string>()["#/$defs/".Length..]], text, depth);
        }
        else if (node["anyOf"] is JsonArray branches)
        {
            Write(root, branches[depth > 6 ? branches.Count - 1 : random.Next(branches.Count)], text, depth + 1);
        }
        else if (node["oneOf"] is JsonArray tagged)
        {
            WriteObject(root, tagged[random.Next(tagged.Count)]!.AsObject(), text, depth);
        }
        else if (node["allOf"] is JsonArray parts)
        {
            JsonObject all = new()
            {
                ["properties"] = new JsonObject { ["a"] = parts[0]!["properties"]!["a"]!.DeepClone(), ["n"] = new JsonObject { ["const"] = 3.5 }, ["b"] = parts[1]!["properties"]!["b"]!.DeepClone() },
                ["required"] = new JsonArray("n"),
                ["additionalProperties"] = false,
            };
            WriteObject(root, all, text, depth);
        }
        else if (node["enum"] is JsonArray values)
        {
            text.Append(Compact(values[random.Next(values.Count)]));
        }
        else if (node.TryGetPropertyValue("const", out JsonNode? constant))
        {
            text.Append(Compact(constant));
        }
        else if (node["type"] is JsonArray)
        {
            text.Append(Pick("null", "true", "\"s\""));
        }
        else
        {
            switch (node["type"]!.GetValue<string>())
            {
                case "string": text.Append(String(node)); break;
                case "null": text.Append("null"); break;
                case "object": WriteObject(root, node, text, depth); break;
                case "array": WriteArray(root, node, text, depth); break;
                default: text.Append(NumberText(node)); break;
            }
        }
    }

    private string String(JsonObject node) => node["pattern"] is { } pattern
        ? Compact(JsonValue.Create(Pick(Patterns.Single(p => p.Pattern == pattern.GetValue<string>()).Samples)))
        : node["format"] is { } format
            ? format.GetValue<string>() switch
            {
                "date-time" => Pick("\"2024-02-29T23:59:59.123Z\"", "\"1999-12-31T00:00:00+05:30\""),
                "time" => Pick("\"12:34:56Z\"", "\"00:00:00.5-08:00\""),
                "date" => Pick("\"2000-02-29\"", "\"2023-11-30\""),
                "duration" => Pick("\"P3Y6M4DT12H30M5S\"", "\"PT36H\"", "\"P2W\""),
                "email" => Pick("\"a.b+c@example.com\"", "\"x@y.z\""),
                "hostname" => Pick("\"example.com\"", "\"a-b.c\""),
                "ipv4" => Pick("\"127.0.0.1\"", "\"255.249.10.0\""),
                "ipv6" => Pick("\"::1\"", "\"2001:db8::ff00:42:8329\"", "\"1:2:3:4:5:6:7:8\"", "\"fe80::\"", "\"1::8\""),
                "uri" => Pick("\"https://example.com\"", "\"http://a-b.c:8080/x%20y?z=1&q#top\"", "\"file:///etc/hosts\"", "\"s3://bucket/key\""),
                _ => Pick("\"123e4567-e89b-12d3-a456-426614174000\""),
            }
            : node["minLength"] is { } least
            ? $"\"{string.Concat(Enumerable.Range(0, random.Next(least.GetValue<int>(), node["maxLength"]!.GetValue<int>() + 1)).Select(_ => Pick("a", "é", "日", "😀", "\\n", "\\u00e9", "\\ud83d\\ude00")))}\""
            : Pick("\"\"", "\"plain\"", "\"é日本😀\"", @"""\u00e9\ud83d\ude00\n\/\""\\""", "\"\u007f\"", @"""\uD83D\uDE00""");

    private static string NumberText(JsonObject node)
    {
        decimal? Bound(string name) => node[name]?.GetValue<decimal>();
        decimal step = Bound("multipleOf") ?? (node["type"]!.GetValue<string>() == "integer" ? 1 : 0.01m);
        decimal low = Bound("minimum") ?? (Bound("exclusiveMinimum") is { } above ? above + 0.001m : (Bound("maximum") ?? Bound("exclusiveMaximum") ?? 100) - 20);
        decimal value = Math.Ceiling(low / step) * step;
        if (node["type"]!.GetValue<string>() == "integer")
        {
            value = Math.Ceiling(value);
        }

        return value.ToString(CultureInfo.InvariantCulture);
    }

    private void WriteArray(JsonObject root, JsonObject node, StringBuilder text, int depth)
    {
        JsonArray? prefix = node["prefixItems"]?.AsArray();
        int min = prefix?.Count ?? node["minItems"]?.GetValue<int>() ?? 0;
        int count = Math.Min(min + (depth > 6 || prefix is not null ? 0 : random.Next(3)), node["maxItems"]?.GetValue<int>() ?? 9);
        text.Append('[').Append(Space());
        for (int i = 0; i < count; i++)
        {
            text.Append(i > 0 ? "," + Space() : "");
            Write(root, prefix is null ? node["items"] : prefix[i], text, depth + 1);
        }

        text.Append(count > 0 ? Space() : "").Append(']');
    }

    private void WriteObject(JsonObject root, JsonObject node, StringBuilder text, int depth)
    {
        JsonArray required = node["required"]!.AsArray();
        text.Append('{').Append(Space());
        bool any = false;
        void Name(string name)
        {
            text.Append(any ? "," + Space() : "").Append(Compact(JsonValue.Create(name))).Append(random.Next(2) == 0 ? ": " : ":");
            any = true;
        }

        foreach ((string name, JsonNode? schema) in node["properties"]!.AsObject())
        {
            if (schema is JsonObject && (required.Any(r => r!.GetValue<string>() == name) || (depth < 6 && random.Next(2) == 0)))
            {
                Name(name);
                Write(root, schema, text, depth + 1);
            }
        }

        JsonNode? additional = node["additionalProperties"];
        if (required.Any(static name => name!.GetValue<string>() == "undeclared"))
        {
            Name("undeclared");
            Write(root, additional, text, depth + 1);
        }

        if (additional!.GetValueKind() != JsonValueKind.False && random.Next(2) == 0)
        {
            Name(Pick("other", "a b", "namex", "ééé", "q\"q"));
            Write(root, additional, text, depth + 1);
        }

        text.Append(any ? Space() : "").Append('}');
    }

    private static string Compact(JsonNode? node) => node is null ? "null"
        : node.ToJsonString(Plain).Replace("\\uD83D\\uDE00", "😀", StringComparison.Ordinal);

    private string Space() => Pick("", " ", "\n", "\n  ", "\n\t\t", "\n        ");

    private T Pick<T>(params T[] values) => values[random.Next(values.Length)];
}
