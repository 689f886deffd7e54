using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Conclave.Cli.Frame;

/// <summary>JSON on standard output.</summary>
internal static class JsonOutput
{
    /// <summary>Writes one value and ends the line.</summary>
    public static void WriteLine(TextWriter output, Action<Utf8JsonWriter> write, bool indented = false)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = PlainJsonEncoder.Instance, Indented = indented }))
        {
            write(json);
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    /// <summary>Writes a member that is a list: <c>json.WriteArray("ids", ids, json.WriteNumberValue)</c>.</summary>
    public static void WriteArray<T>(this Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
        {
            write(item);
        }

        json.WriteEndArray();
    }
}
