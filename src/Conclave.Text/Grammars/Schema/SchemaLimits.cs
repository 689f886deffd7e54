using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>How large a schema may be: the limits that OpenAI documents, which no schema that a person wrote comes near.</summary>
internal sealed class SchemaLimits
{
    private const int MaxProperties = 5_000;
    private const int MaxConstants = 1_000;
    private const int MaxCharacters = 120_000;
    private const int MaxMerged = 1_000_000;
    private const int MaxTextDepth = 128;
    private const int MaxTextValues = 200_000;

    private int _properties;
    private int _constants;
    private int _characters;
    private int _merged;

    /// <summary>Refuses text that is too much to look at more closely, or is not valid Unicode.</summary>
    /// <exception cref="UserErrorException">It is so.</exception>
    public static void CheckText(JsonElement root)
    {
        Stack<(JsonElement Value, int Depth)> work = new([(root, 0)]);
        int count = 0;
        while (work.TryPop(out (JsonElement Value, int Depth) next))
        {
            if (++count > MaxTextValues || next.Depth > MaxTextDepth)
            {
                throw SchemaReader.Error("$", $"more than {MaxTextValues} values, or more than {MaxTextDepth} nested ones");
            }

            try
            {
                if (next.Value.ValueKind == JsonValueKind.Object)
                {
                    foreach (JsonProperty property in next.Value.EnumerateObject())
                    {
                        _ = property.Name;
                        work.Push((property.Value, next.Depth + 1));
                    }
                }
                else if (next.Value.ValueKind == JsonValueKind.Array)
                {
                    foreach (JsonElement item in next.Value.EnumerateArray())
                    {
                        work.Push((item, next.Depth + 1));
                    }
                }
                else if (next.Value.ValueKind == JsonValueKind.String)
                {
                    _ = next.Value.GetString();
                }
            }
            catch (InvalidOperationException e)
            {
                throw new UserErrorException("the JSON schema: a string with an unpaired surrogate; only valid Unicode can be used", e);
            }
        }
    }

    public void AddProperty(string name, string path)
    {
        if (++_properties > MaxProperties)
        {
            throw SchemaReader.Error(path, $"more than {MaxProperties} properties in one schema");
        }

        AddText(name, path);
    }

    public void AddConstant(JsonElement value, string path)
    {
        if (++_constants > MaxConstants)
        {
            throw SchemaReader.Error(path, $"more than {MaxConstants} values of enum and const in one schema");
        }

        AddText(value.GetRawText(), path);
    }

    /// <summary>What allOf puts together.</summary>
    /// <exception cref="UserErrorException">It has become too much.</exception>
    public void AddMerged(string json, string path)
    {
        _merged += json.Length;
        if (_merged > MaxMerged)
        {
            throw SchemaReader.Error(path, $"\"allOf\" of schemas that together become more than {MaxMerged} characters");
        }
    }

    public void AddText(string text, string path)
    {
        _characters += text.Length;
        if (_characters > MaxCharacters)
        {
            throw SchemaReader.Error(path, $"more than {MaxCharacters} characters of names, constants and patterns in one schema");
        }
    }
}
