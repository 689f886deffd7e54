using System.Globalization;
using System.Text.Json;

namespace Conclave.Primitives;

/// <summary>
/// A place in a JSON file that a person gave: it knows the file and the path to itself, so that every complaint names both. Values are
/// checked as they are read. Duplicate keys are refused.
/// </summary>
public readonly struct JsonCursor
{
    private readonly string _file;
    private readonly string _path;

    private JsonCursor(string file, string path, JsonElement element)
    {
        _file = file;
        _path = path;
        Element = element;
    }

    /// <summary>The value itself.</summary>
    public JsonElement Element { get; }

    /// <summary>The kind of the value.</summary>
    public JsonValueKind Kind => Element.ValueKind;

    /// <summary>Reads a file of at most <paramref name="maxBytes"/> bytes.</summary>
    /// <exception cref="UserErrorException">The file is missing, too large, not UTF-8 or not JSON.</exception>
    public static JsonCursor ReadFile(string file, long maxBytes = 256L << 20) => Parse(file, TextFile.ReadUtf8(file, maxBytes));

    /// <summary>Parses JSON text that came from <paramref name="file"/>.</summary>
    /// <exception cref="UserErrorException">The text is not UTF-8 or not JSON.</exception>
    public static JsonCursor Parse(string file, ReadOnlyMemory<byte> utf8)
    {
        utf8 = TextFile.Check(file, utf8);
        try
        {
            JsonDocument document = JsonDocument.Parse(
                utf8, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 256 });
            return new JsonCursor(file, "$", document.RootElement);
        }
        catch (JsonException e)
        {
            throw NotJson(file, e);
        }
        catch (InvalidOperationException e)
        {
            // The search for duplicates reads every key; it is not a JsonException when one cannot be read.
            throw UnpairedSurrogate(file, e);
        }
    }

    /// <summary>The complaint about text that no JSON reader accepts.</summary>
    public static UserErrorException NotJson(string file, JsonException reason) => new($"{file}: not valid JSON: {reason.Message}", reason);

    /// <summary>The complaint about a key that is no Unicode text, which JSON readers report as an invalid operation.</summary>
    public static UserErrorException UnpairedSurrogate(string file, InvalidOperationException reason) =>
        new($"{file}: a key with an unpaired surrogate; only valid Unicode can be used", reason);

    /// <summary>A complaint about this place; <paramref name="problem"/> continues the sentence after file and path.</summary>
    public UserErrorException Error(string problem) => new($"{_file}: {_path}: {problem}");

    /// <summary>The member of that name, or null where it is absent or JSON's null.</summary>
    public JsonCursor? Optional(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return Element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? new JsonCursor(_file, $"{_path}.{name}", value)
            : null;
    }

    /// <summary>The member of that name.</summary>
    /// <exception cref="UserErrorException">It is absent or null.</exception>
    public JsonCursor Required(string name) =>
        Optional(name) ?? throw Error(Has(name) ? $"\"{name}\" is null; a value is expected" : $"\"{name}\" is missing; it is expected here");

    /// <summary>True where the object has a member of that name, be it null.</summary>
    public bool Has(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return Element.TryGetProperty(name, out _);
    }

    /// <summary>Members in the order of the file.</summary>
    public IEnumerable<(string Name, JsonCursor Value)> Members()
    {
        Expect(JsonValueKind.Object, "an object");
        foreach (JsonProperty property in Element.EnumerateObject())
        {
            yield return (property.Name, new JsonCursor(_file, $"{_path}.{property.Name}", property.Value));
        }
    }

    /// <summary>Items in the order of the file.</summary>
    public IEnumerable<JsonCursor> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        int index = 0;
        foreach (JsonElement item in Element.EnumerateArray())
        {
            yield return new JsonCursor(_file, string.Create(CultureInfo.InvariantCulture, $"{_path}[{index++}]"), item);
        }
    }

    /// <summary>The value as a string.</summary>
    public string String()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("a string with an unpaired surrogate; only valid Unicode can be used");
        }
    }

    /// <summary>The value as true or false.</summary>
    public bool Boolean() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"{Describe()}; true or false is expected"),
    };

    /// <summary>The value as a whole number between the bounds, both included.</summary>
    public int Int32(int minimum, int maximum)
    {
        // 1.0 and 1e3 are whole numbers too; some writers produce them.
        if (Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out double value)
            && value == Math.Truncate(value) && value >= minimum && value <= maximum)
        {
            return (int)value;
        }

        throw Error($"{Describe()}; a whole number from {minimum} to {maximum} is expected");
    }

    /// <summary>The value as a whole number between the bounds, both included.</summary>
    public long Int64(long minimum, long maximum)
    {
        if (Element.ValueKind == JsonValueKind.Number && Element.TryGetInt64(out long value) && value >= minimum && value <= maximum)
        {
            return value;
        }

        throw Error($"{Describe()}; a whole number from {minimum} to {maximum} is expected");
    }

    /// <summary>The value as a number between the bounds, both included.</summary>
    public double Double(double minimum, double maximum)
    {
        if (Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out double value) && value >= minimum && value <= maximum)
        {
            return value;
        }

        throw Error($"{Describe()}; a number from {minimum} to {maximum} is expected");
    }

    private void Expect(JsonValueKind kind, string name)
    {
        if (Element.ValueKind != kind)
        {
            throw Error($"{Describe()}; {name} is expected");
        }
    }

    /// <summary>The value as JSON text, cut off where it is long: for messages.</summary>
    public string Describe()
    {
        string text = Element.GetRawText();
        return text.Length <= 60 ? text : string.Concat(text.AsSpan(0, 60), "…");
    }
}
