using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// Reads a JSON Schema: the subset that OpenAI documents for structured outputs. What it does not know it refuses, since a document that
/// only seems to be constrained is worse than an error.
/// </summary>
internal sealed class SchemaReader
{
    private const int MaxDepth = 32;
    private const int MaxSchemas = 20_000;

    private readonly JsonElement _root;
    private readonly SchemaTypes _types;
    private readonly DisjointSchemas _disjoint;
    private readonly SchemaLimits _limits = new();
    private readonly Dictionary<string, GrammarRule> _references = new(StringComparer.Ordinal);
    private readonly Queue<(GrammarRule Rule, JsonElement Schema)> _pending = new();
    private int _schemas;
    private int _merging;

    private SchemaReader(JsonElement root, GrammarBudget budget)
    {
        _root = root;
        _types = new SchemaTypes(this, _limits, budget);
        _disjoint = new DisjointSchemas(this);
    }

    /// <exception cref="UserErrorException">The schema is wrong, too large, or uses what is not supported; the message names the path.</exception>
    public static GrammarNode Read(JsonElement root, GrammarBudget budget)
    {
        SchemaLimits.CheckText(root);
        SchemaReader reader = new(root, budget);
        GrammarNode node = reader.Read(root, "$", 0);
        reader.ReadPending();
        return node;
    }

    /// <summary>The members of an object that are written in tags; see <see cref="TaggedArguments"/>.</summary>
    /// <param name="root">The schema.</param>
    /// <param name="end">What ends a value.</param>
    /// <param name="budget">What the grammar may cost.</param>
    /// <exception cref="UserErrorException">As <see cref="Read(JsonElement, GrammarBudget)"/>.</exception>
    public static List<(string Name, GrammarNode Value, bool Required)> ReadArguments(JsonElement root, string end, GrammarBudget budget)
    {
        SchemaLimits.CheckText(root);
        SchemaReader reader = new(root, budget);
        List<(string Name, GrammarNode Value, bool Required)> arguments = new TaggedArguments(reader, reader._types, root, end).Read();
        reader.ReadPending();
        return arguments;
    }

    public static UserErrorException Error(string path, string problem) => new($"the JSON schema: {path}: {problem}");

    public GrammarNode Read(JsonElement schema, string path, int depth)
    {
        if (depth > MaxDepth)
        {
            throw Error(path, $"schemas nested more than {MaxDepth} deep");
        }

        if (++_schemas > MaxSchemas)
        {
            throw Error(path, $"more than {MaxSchemas} schemas in one");
        }

        if (schema.ValueKind == JsonValueKind.True)
        {
            return JsonGrammar.Value;
        }

        Dictionary<string, JsonElement> keywords = Keywords(schema, path);
        if (keywords.TryGetValue("$ref", out JsonElement reference))
        {
            return new GrammarNode.Call(Resolve(reference, path));
        }

        if (ReadChoice(keywords, path, (branch, place) => Read(branch, place, depth + 1)) is { } choice)
        {
            return choice;
        }

        return keywords.ContainsKey("enum") || keywords.ContainsKey("const")
            ? ReadConstants(keywords, path, JsonConstants.Constant)
            : ReadTypes(keywords, path, depth, () => _types.Read(JsonTypes.String, keywords, path, depth));
    }

    /// <summary>What a schema says, annotations aside; what allOf says is part of it.</summary>
    /// <exception cref="UserErrorException">It is no object, says something twice or what is not supported.</exception>
    public Dictionary<string, JsonElement> Keywords(JsonElement schema, string path)
    {
        Dictionary<string, JsonElement> keywords = OwnKeywords(schema, path);
        if (keywords.Remove("allOf", out JsonElement allOf))
        {
            keywords = ReadAllOf(keywords, allOf, path);
        }

        if (keywords.Count > 1 && keywords.ContainsKey("$ref"))
        {
            string other = keywords.Keys.First(static name => name != "$ref");
            throw Error($"{path}.{other}", $"the keyword \"{other}\" beside \"$ref\" is not supported");
        }

        foreach (string keyword in (string[])["anyOf", "oneOf"])
        {
            keywords = keywords.Count > 1 && keywords.Remove(keyword, out JsonElement schemas) ? Distribute(keywords, keyword, schemas, path) : keywords;
        }

        return keywords;
    }

    // What stands beside a choice holds in each of its branches; those that have no value of its types are none.
    private Dictionary<string, JsonElement> Distribute(Dictionary<string, JsonElement> beside, string keyword, JsonElement schemas, string path)
    {
        JsonTypes types = beside.TryGetValue("type", out JsonElement type) ? DeclaredTypes.Named(type) : JsonTypes.None;
        string[] branches =
        [
            .. Branches(schemas, $"{path}.{keyword}")
                .Select(branch => (branch.Schema, Types: DeclaredTypes.TypesOf(branch.Schema, _root)))
                .Where(branch => types == JsonTypes.None || branch.Types == JsonTypes.None || (branch.Types & types) != JsonTypes.None)
                .Select(branch => $$"""{"allOf":[{{Schema(beside)}},{{branch.Schema.GetRawText()}}]}""")
        ];
        return branches.Length > 0
            ? new(StringComparer.Ordinal) { [keyword] = SchemaMerge.Parse($"[{string.Join(',', branches)}]", path, _limits) }
            : throw Error($"{path}.{keyword}", $"none of the schemas has the type {Describe(type)} that stands beside them");
    }

    private static string Schema(Dictionary<string, JsonElement> keywords) =>
        $"{{{string.Join(',', keywords.Select(static keyword => $"{JsonConstants.Quote(keyword.Key)}:{keyword.Value.GetRawText()}"))}}}";

    private Dictionary<string, JsonElement> OwnKeywords(JsonElement schema, string path)
    {
        if (schema.ValueKind != JsonValueKind.Object)
        {
            throw Error(path, $"a schema (an object) is expected, not {Describe(schema)}");
        }

        Dictionary<string, JsonElement> keywords = new(StringComparer.Ordinal);
        foreach (JsonProperty property in schema.EnumerateObject().Where(static property => !SchemaKeywords.AsksForNothing(property)))
        {
            if (!keywords.TryAdd(property.Name, property.Value))
            {
                throw Error(path, $"the keyword \"{property.Name}\" occurs twice");
            }
        }

        OlderDrafts.Translate(keywords);
        if (keywords.Remove("propertyNames", out JsonElement names))
        {
            SchemaKeywords.CheckPropertyNames(names, path + ".propertyNames");
        }

        bool nullable = keywords.Remove("nullable", out JsonElement given);
        if (nullable && given.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            throw Error(path + ".nullable", $"true or false is expected, not {Describe(given)}");
        }

        foreach (string keyword in keywords.Keys.Where(static name => !SchemaKeywords.IsSupported(name)))
        {
            throw Error($"{path}.{keyword}", $"the keyword \"{keyword}\" is not supported; supported are {SchemaKeywords.Supported}");
        }

        return nullable && given.ValueKind == JsonValueKind.True ? Nullable(keywords, path) : keywords;
    }

    // OpenAPI's word. A list of constants has null in it where that is meant.
    private Dictionary<string, JsonElement> Nullable(Dictionary<string, JsonElement> keywords, string path)
    {
        if (keywords.TryGetValue("type", out JsonElement type))
        {
            if ((DeclaredTypes.Named(type) & JsonTypes.Null) == JsonTypes.None)
            {
                string names = type.ValueKind == JsonValueKind.Array ? type.GetRawText().TrimEnd(']') : "[" + type.GetRawText();
                keywords["type"] = SchemaMerge.Parse(names + ",\"null\"]", path, _limits);
            }

            return keywords;
        }

        return keywords.Count == 0 || keywords.ContainsKey("enum") || keywords.ContainsKey("const")
            ? keywords
            : new(StringComparer.Ordinal) { ["anyOf"] = SchemaMerge.Parse($$"""[{{Schema(keywords)}},{"type":"null"}]""", path, _limits) };
    }

    public static string Describe(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
    }

    // One schema stays as it is, a reference included; several become one.
    private Dictionary<string, JsonElement> ReadAllOf(Dictionary<string, JsonElement> keywords, JsonElement allOf, string path)
    {
        path += ".allOf";
        if (++_merging > MaxDepth)
        {
            throw Error(path, $"schemas that refer to themselves, or more than {MaxDepth} inside each other");
        }

        List<Dictionary<string, JsonElement>> parts = keywords.Count > 0 ? [keywords] : [];
        foreach ((JsonElement schema, string place) in Branches(allOf, path).Where(static branch => branch.Schema.ValueKind != JsonValueKind.True))
        {
            parts.Add(Part(schema, place));
        }

        parts.RemoveAll(static part => part.Count == 0);
        if (parts.Count > 1)
        {
            for (int i = 0; i < parts.Count; i++)
            {
                while (parts[i].TryGetValue("$ref", out JsonElement reference))
                {
                    (JsonElement target, string name) = Target(reference, path);
                    parts[i] = Part(target, name);
                }
            }
        }

        _merging--;
        return parts.Count == 0 ? [] : parts.Aggregate((first, second) => SchemaMerge.Merge(first, second, path, _limits));

        Dictionary<string, JsonElement> Part(JsonElement schema, string place) =>
            ++_schemas > MaxSchemas ? throw Error(path, $"more than {MaxSchemas} schemas in one")
            : schema.ValueKind == JsonValueKind.True ? []
            : Keywords(schema, place);
    }

    /// <summary>What anyOf or oneOf chooses from; null if a schema has neither.</summary>
    public GrammarNode.Choice? ReadChoice(Dictionary<string, JsonElement> keywords, string path, Func<JsonElement, string, GrammarNode> read)
    {
        bool one = keywords.TryGetValue("oneOf", out JsonElement schemas);
        if (!one && !keywords.TryGetValue("anyOf", out schemas))
        {
            return null;
        }

        path += one ? ".oneOf" : ".anyOf";
        GrammarNode.Choice choice = new([.. Branches(schemas, path).Select(branch => read(branch.Schema, branch.Path))]);
        if (one)
        {
            _disjoint.Check(schemas, path);
        }

        return choice;
    }

    /// <summary>The schemas of a list, each with its place.</summary>
    /// <exception cref="UserErrorException">It is no list, or an empty one.</exception>
    public static IEnumerable<(JsonElement Schema, string Path)> Branches(JsonElement schemas, string path) =>
        schemas.ValueKind == JsonValueKind.Array && schemas.GetArrayLength() > 0
            ? schemas.EnumerateArray().Select((schema, i) => (schema, $"{path}[{i}]"))
            : throw Error(path, $"an array of schemas, not empty, is expected, not {Describe(schemas)}");

    public GrammarNode.Choice ReadConstants(Dictionary<string, JsonElement> keywords, string path, Func<JsonElement, GrammarNode> read)
    {
        if (keywords.FirstOrDefault(static keyword => keyword.Key is not ("enum" or "const" or "type") && !SchemaTypes.IsUnknownFormat(keyword.Key, keyword.Value)).Key is { } other)
        {
            throw Error($"{path}.{other}", $"the keyword \"{other}\" beside \"enum\" or \"const\" is not supported");
        }

        if (keywords.TryGetValue("enum", out JsonElement list) && (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0))
        {
            throw Error($"{path}.enum", $"an array of values, not empty, is expected, not {Describe(list)}");
        }

        IEnumerable<JsonElement> values = list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [keywords["const"]];
        if (list.ValueKind == JsonValueKind.Array && keywords.TryGetValue("const", out JsonElement constant))
        {
            values = values.Where(value => JsonElement.DeepEquals(value, constant));
        }

        List<JsonTypes> types = TypesOf(keywords, path);
        List<GrammarNode> nodes = [];
        foreach (JsonElement value in values.Where(value => types.Count == 0 || types.Exists(type => IsOf(value, type))))
        {
            _limits.AddConstant(value, path);
            nodes.Add(read(value));
        }

        return nodes.Count > 0 ? new GrammarNode.Choice(nodes) : throw Error(path, "no value of \"enum\" or \"const\" has the type that \"type\" names");
    }

    public GrammarNode ReadTypes(Dictionary<string, JsonElement> keywords, string path, int depth, Func<GrammarNode> text)
    {
        List<JsonTypes> types = TypesOf(keywords, path);
        if (types.Count == 0)
        {
            // Keywords of one type only constrain values of that type; that such a value is meant is what everybody means.
            types = [.. keywords.Keys.Select(static keyword => SchemaKeywords.TypesOf(keyword)).Distinct()];
        }

        GrammarNode Read(JsonTypes type) => type == JsonTypes.String ? text() : _types.Read(type, keywords, path, depth);
        return types.Count switch
        {
            0 => JsonGrammar.Value,
            1 => Read(types[0]),
            _ => new GrammarNode.Choice([.. types.Select(Read)]),
        };
    }

    private static List<JsonTypes> TypesOf(Dictionary<string, JsonElement> keywords, string path) =>
        keywords.TryGetValue("type", out JsonElement type) ? TypesOf(type, path + ".type") : [];

    /// <summary>The types that the value of the keyword "type" names, in its order.</summary>
    /// <exception cref="UserErrorException">It names none, one twice, or what is no type.</exception>
    public static List<JsonTypes> TypesOf(JsonElement type, string path)
    {
        List<JsonTypes> types = [];
        foreach (JsonElement name in type.ValueKind == JsonValueKind.Array ? type.EnumerateArray() : (IEnumerable<JsonElement>)[type])
        {
            if (name.ValueKind != JsonValueKind.String || !DeclaredTypes.Names.TryGetValue(name.GetString()!, out JsonTypes one) || types.Contains(one))
            {
                throw Error(path, $"one of {string.Join(", ", DeclaredTypes.Names.Keys)}, or an array of different ones, is expected, not {Describe(type)}");
            }

            types.Add(one);
        }

        return types.Count > 0 ? types : throw Error(path, "at least one type is expected");
    }

    private static bool IsOf(JsonElement value, JsonTypes type) => value.ValueKind switch
    {
        JsonValueKind.String => type == JsonTypes.String,
        JsonValueKind.Number => type == JsonTypes.Numbers || (type == JsonTypes.Integer && value.TryGetDecimal(out decimal number) && decimal.IsInteger(number)),
        JsonValueKind.True or JsonValueKind.False => type == JsonTypes.Boolean,
        JsonValueKind.Null => type == JsonTypes.Null,
        JsonValueKind.Object => type == JsonTypes.Object,
        _ => type == JsonTypes.Array,
    };

    /// <summary>What a reference refers to, and its path.</summary>
    /// <exception cref="UserErrorException">Nothing, or nothing in this schema.</exception>
    public (JsonElement Schema, string Path) Target(JsonElement reference, string path)
    {
        path += ".$ref";
        if (reference.ValueKind != JsonValueKind.String || reference.GetString() is not { } text || (text != "#" && !text.StartsWith("#/", StringComparison.Ordinal)))
        {
            throw Error(path, $"a reference inside this schema (\"#\" or \"#/$defs/NAME\") is expected, not {Describe(reference)}");
        }

        JsonElement target = _root;
        string name = "$";
        foreach (string key in JsonPointer.Keys(text))
        {
            bool found = false;
            if (target.ValueKind == JsonValueKind.Object)
            {
                found = target.TryGetProperty(key, out target);
            }
            else if (target.ValueKind == JsonValueKind.Array && int.TryParse(key, out int index) && index >= 0 && index < target.GetArrayLength())
            {
                target = target[index];
                found = true;
            }

            name += "." + key;
            if (!found)
            {
                throw Error(path, $"there is no {name} in this schema that {Describe(reference)} could mean");
            }
        }

        return (target, name);
    }

    private void ReadPending()
    {
        while (_pending.TryDequeue(out (GrammarRule Rule, JsonElement Schema) next))
        {
            next.Rule.Body = Read(next.Schema, next.Rule.Name, 0);
        }
    }

    private GrammarRule Resolve(JsonElement reference, string path)
    {
        if (reference.ValueKind == JsonValueKind.String && _references.TryGetValue(reference.GetString()!, out GrammarRule? rule))
        {
            return rule;
        }

        (JsonElement target, string name) = Target(reference, path);
        rule = new GrammarRule(name);
        _references.Add(reference.GetString()!, rule);
        _pending.Enqueue((rule, target));
        return rule;
    }
}
