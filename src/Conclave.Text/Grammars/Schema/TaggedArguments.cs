using System.Text;
using System.Text.Json;

namespace Conclave.Text.Grammars;

/// <summary>
/// Reads the schema of an object whose members are written in tags, strings as they are and everything else as JSON (GLM's tool calls). What
/// is generated is read back as it was meant: where a schema allows strings and other types, a string does not look like one of the others.
/// </summary>
/// <param name="reader">Reads what is JSON.</param>
/// <param name="types">Reads what is said about one type.</param>
/// <param name="root">The whole schema.</param>
/// <param name="end">What ends a value.</param>
internal sealed class TaggedArguments(SchemaReader reader, SchemaTypes types, JsonElement root, string end)
{
    private const int MaxDepth = 32;

    public List<(string Name, GrammarNode Value, bool Required)> Read()
    {
        JsonElement schema = root;
        Dictionary<string, JsonElement> keywords = reader.Keywords(schema, "$");
        for (int step = 0; keywords.TryGetValue("$ref", out JsonElement reference); step++)
        {
            schema = step < MaxDepth ? reader.Target(reference, "$").Schema : throw SchemaReader.Error("$.$ref", "references that lead to each other");
            keywords = reader.Keywords(schema, "$");
        }

        if (keywords.Keys.FirstOrDefault(static name => name is "anyOf" or "oneOf" or "enum" or "const") is { } other)
        {
            throw SchemaReader.Error($"$.{other}", $"the keyword \"{other}\" of the arguments themselves is not supported by the way in which this model calls tools");
        }

        return types.ReadProperties(keywords, "$", 0, (value, path) => ReadValue(value, path, 0));
    }

    private GrammarNode ReadValue(JsonElement schema, string path, int depth)
    {
        JsonTypes all = DeclaredTypes.TypesOf(schema, root);
        bool mixed = (all & ~(JsonTypes.String | JsonTypes.Null)) != JsonTypes.None;
        return (all & JsonTypes.String) == JsonTypes.None ? reader.Read(schema, path, depth + 1) : ReadText(schema, path, mixed ? all : JsonTypes.None, depth);
    }

    // A schema that allows strings, beside the types mixed.
    private GrammarNode ReadText(JsonElement schema, string path, JsonTypes mixed, int depth)
    {
        if (depth > MaxDepth)
        {
            throw SchemaReader.Error(path, $"schemas nested more than {MaxDepth} deep");
        }

        if ((DeclaredTypes.TypesOf(schema, root) & JsonTypes.String) == JsonTypes.None)
        {
            return reader.Read(schema, path, depth + 1);
        }

        Dictionary<string, JsonElement> keywords = reader.Keywords(schema, path);
        if (keywords.TryGetValue("$ref", out JsonElement reference))
        {
            (JsonElement target, string name) = reader.Target(reference, path);
            return ReadText(target, name, mixed, depth + 1);
        }

        if (reader.ReadChoice(keywords, path, (branch, place) => ReadText(branch, place, mixed, depth + 1)) is { } choice)
        {
            return choice;
        }

        return keywords.ContainsKey("enum") || keywords.ContainsKey("const")
            ? reader.ReadConstants(keywords, path, value => Constant(value, path, mixed))
            : reader.ReadTypes(keywords, path, depth, () => types.ReadText(keywords, path, end, mixed != JsonTypes.None));
    }

    private GrammarNode Constant(JsonElement value, string path, JsonTypes mixed)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            return JsonConstants.Constant(value);
        }

        string text = value.GetString()!;
        return text.Contains(end, StringComparison.Ordinal) || (DeclaredTypes.TypeOfJson(text) & mixed) != JsonTypes.None
            ? throw SchemaReader.Error(path, $"the text {SchemaReader.Describe(value)} cannot be told from other values in the way in which this model calls tools")
            : new GrammarNode.Bytes(Encoding.UTF8.GetBytes(text));
    }
}
