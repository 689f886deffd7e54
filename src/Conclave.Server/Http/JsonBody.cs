using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;

namespace Conclave.Server.Http;

/// <summary>A request's JSON object. Fields that are missing or null are null; those of a wrong type are refused by name; unknown ones are ignored.</summary>
internal readonly struct JsonBody
{
    private const int MostDepth = 64;
    private const string NotUnicode = "it has half of a surrogate pair, or bytes that are not UTF-8";

    // Whoever makes objects of the parts could not have a name twice.
    private static readonly JsonDocumentOptions ReaderOptions = new() { MaxDepth = MostDepth, AllowDuplicateProperties = false };
    private readonly JsonElement _root;
    private readonly string _prefix;

    private JsonBody(JsonElement root, string prefix)
    {
        _root = root;
        _prefix = prefix;
    }

    /// <summary>Makes sure that a body is sent, as it is, and as JSON.</summary>
    /// <exception cref="ApiException">It is not.</exception>
    public static void CheckHeaders(HttpRequest request)
    {
        // Bodies of other types a browser sends for a page of any site without asking the server first.
        if (!request.HasJsonContentType())
        {
            string type = string.IsNullOrEmpty(request.ContentType) ? "nothing that is named" : request.ContentType;
            throw Unsupported($"the body is sent as {type}; send it with the header Content-Type: application/json");
        }

        string encoding = request.Headers.ContentEncoding.ToString();
        if (encoding.Length > 0 && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            throw Unsupported($"the body is sent with the header Content-Encoding: {encoding}; send it as it is, without that header");
        }

        if (request.ContentLength == 0)
        {
            throw ApiException.Invalid("the body is not JSON: it is empty; send an object");
        }
    }

    /// <summary>Reads a body. The document must be disposed, and the text stay as it is until then.</summary>
    /// <exception cref="ApiException">It is not valid Unicode.</exception>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        try
        {
            return Checked(JsonDocument.Parse(text, ReaderOptions));
        }
        catch (InvalidOperationException e)
        {
            throw ApiException.Invalid($"the body is not JSON: {ProblemOf(e)}");
        }
    }

    /// <summary>Reads JSON that stands in a string of a body. The document must be disposed.</summary>
    public static JsonDocument Parse(string text, string path, string param)
    {
        try
        {
            return Checked(JsonDocument.Parse(text, ReaderOptions));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ApiException)
        {
            throw ApiException.Invalid($"{path}: the string is not JSON: {ProblemOf(e)}", param);
        }
    }

    /// <summary>What is wrong with JSON that cannot be read, and where.</summary>
    public static string ProblemOf(Exception error)
    {
        switch (error)
        {
            case JsonException { LineNumber: { } line, BytePositionInLine: { } position }:
                return $"it goes wrong or ends at byte {position + 1} of line {line + 1}; names and strings stand in double quotes, there are no comments, "
                    + $"no comma stands before a closing bracket, and at most {MostDepth} brackets are open at a time";
            case JsonException e:
                // Only of a name that is there twice no place is known, and the name only from the message.
                (int first, int last) = (e.Message.IndexOf('\'', StringComparison.Ordinal), e.Message.LastIndexOf('\''));
                return $"an object has a name twice{(first < last ? $", {e.Message[first..(last + 1)]}" : "")}";
            case ApiException e:
                return e.Message;
            default:
                // Names are compared, and to be compared they are read.
                return $"a name is not valid Unicode: {NotUnicode}";
        }
    }

    /// <summary>An object.</summary>
    /// <param name="element">What should be one.</param>
    /// <param name="path">Where it stands in the body; empty for the body itself.</param>
    public static JsonBody Of(JsonElement element, string path = "") => element.ValueKind == JsonValueKind.Object
        ? new JsonBody(element, path.Length == 0 ? "" : path + ".")
        : throw Wrong(path.Length == 0 ? "the body" : path, "an object", element, path.Length == 0 ? null : path);

    public JsonElement? Element(string name) =>
        _root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>Whether a field is there with something that is not false or empty.</summary>
    public bool AsksFor(string name) => Element(name) switch
    {
        null or { ValueKind: JsonValueKind.False } => false,
        { ValueKind: JsonValueKind.String } text => text.GetString() is { Length: > 0 },
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() > 0,
        { ValueKind: JsonValueKind.Object } entries => entries.GetPropertyCount() > 0,
        _ => true,
    };

    public JsonBody? Object(string name) => Element(name) is { } value ? Of(value, _prefix + name) : null;

    public string? String(string name) => Element(name) is { } value ? Text(value, _prefix + name) : null;

    public bool? Flag(string name) => Element(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(_prefix + name, "true or false", value),
    };

    public double? Number(string name) => Element(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) ? number
        : throw Wrong(_prefix + name, "a number", value);

    public int? Integer(string name) => Element(name) is { } value ? Whole(value, _prefix + name) : null;

    public long? Long(string name) => Element(name) is { } value ? Whole(value, _prefix + name, long.MinValue, long.MaxValue) : null;

    /// <summary>A list, of which each entry is read with its path.</summary>
    public List<T>? List<T>(string name, int most, Func<JsonElement, string, T> read)
    {
        if (Element(name) is not { } value)
        {
            return null;
        }

        string path = _prefix + name;
        return value.ValueKind == JsonValueKind.Array ? Entries(value, path, most, read) : throw Wrong(path, "a list", value);
    }

    public static List<T> Entries<T>(JsonElement list, string path, int most, Func<JsonElement, string, T> read)
    {
        int length = list.GetArrayLength();
        if (length > most)
        {
            throw TooMany(length, path, most);
        }

        List<T> entries = new(length);
        foreach (JsonElement entry in list.EnumerateArray())
        {
            entries.Add(read(entry, $"{path}[{entries.Count}]"));
        }

        return entries;
    }

    /// <summary>A list of whole numbers, which may be so many that each should not cost more than its reading.</summary>
    public static List<int> Integers(JsonElement list, string path, int most)
    {
        int length = list.GetArrayLength();
        if (length > most)
        {
            throw TooMany(length, path, most);
        }

        List<int> numbers = new(length);
        foreach (JsonElement entry in list.EnumerateArray())
        {
            numbers.Add(entry.ValueKind == JsonValueKind.Number && entry.TryGetInt32(out int number) ? number : Whole(entry, $"{path}[{numbers.Count}]"));
        }

        return numbers;
    }

    public static string Text(JsonElement value, string path)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            throw Wrong(path, "a string", value);
        }

        return value.GetString()!;
    }

    public static int Whole(JsonElement value, string path) => (int)Whole(value, path, int.MinValue, int.MaxValue);

    // Programs whose only numbers are binary64 write 16.0, and 1e3.
    private static long Whole(JsonElement value, string path, long least, long most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) && decimal.IsInteger(number) && number >= least && number <= most
            ? (long)number
            : throw Wrong(path, "a whole number", value);

    public static ApiException Wrong(string path, string expected, JsonElement found) => Wrong(path, expected, found, path);

    private static ApiException TooMany(int length, string path, int most) => ApiException.Invalid($"{path}: {length} entries; at most {most} are allowed", path);

    private static ApiException Unsupported(string message) =>
        new(StatusCodes.Status415UnsupportedMediaType, "invalid_request_error", message, code: "unsupported_media_type");

    private static JsonDocument Checked(JsonDocument document)
    {
        try
        {
            CheckUnicode(document.RootElement);
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>Halves of surrogate pairs, which escapes can write, and bytes that are not UTF-8 would be found by whoever reads the string.</summary>
    private static void CheckUnicode(JsonElement root)
    {
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(root);
        if (Utf8.IsValid(raw) && raw.IndexOf("\\ud"u8) < 0 && raw.IndexOf("\\uD"u8) < 0)
        {
            return;
        }

        Utf8JsonReader reader = new(raw, new JsonReaderOptions { MaxDepth = MostDepth });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
            {
                try
                {
                    _ = reader.GetString();
                }
                catch (InvalidOperationException)
                {
                    throw ApiException.Invalid($"the string at byte {reader.TokenStartIndex} is not valid Unicode: {NotUnicode}");
                }
            }
        }
    }

    private static ApiException Wrong(string path, string expected, JsonElement found, string? param)
    {
        string raw = found.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False && found.GetRawText() is { Length: <= 40 } text
            ? text
            : $"{(found.ValueKind is JsonValueKind.Array or JsonValueKind.Object ? "an" : "a")} {found.ValueKind.ToString().ToLowerInvariant()}";
        return ApiException.Invalid($"{path}: {expected} is expected, not {raw}", param);
    }
}
