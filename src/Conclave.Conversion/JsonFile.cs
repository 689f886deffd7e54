using System.Text.Encodings.Web;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>A JSON file whose root is an object.</summary>
internal static class JsonFile
{
    // Tokens of the byte-level alphabet stay readable; nothing here goes into a web page.
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(string directory, string name, Action<Utf8JsonWriter> writeMembers)
    {
        string path = Path.Combine(directory, name);
        try
        {
            using FileStream stream = File.Create(path);
            using Utf8JsonWriter json = new(stream, Options);
            json.WriteStartObject();
            writeMembers(json);
            json.WriteEndObject();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path}: cannot be written: {e.Message}", e);
        }
    }
}
