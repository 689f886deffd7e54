using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Conclave.Primitives;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

namespace Conclave.Engine;

/// <summary>What answers have to be, by keys that are equal for equal wishes, so that a <see cref="GrammarCache"/> compiles a grammar once.</summary>
public static class AnswerGrammar
{
    /// <summary>The key of any JSON object; all others are schemas.</summary>
    public const string AnyObject = "json_object";

    private const string Lax = "lax ";

    private static readonly JsonWriterOptions Writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The key of a JSON schema.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="strict">Whether answers are promised to follow it (OpenAI's strict); else one that cannot be kept allows any value of the types that it declares.</param>
    public static string Key(JsonElement schema, bool strict) => (strict ? "" : Lax) + Text(schema);

    // Without what does not matter, such as white space and escapes that need not be.
    private static string Text(JsonElement schema)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Writer))
        {
            schema.WriteTo(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The grammar of a key.</summary>
    /// <exception cref="UserErrorException">The schema is wrong, or is strict and uses what is not supported.</exception>
    public static Grammar Compile(string key)
    {
        if (key == AnyObject)
        {
            return Grammar.JsonObject();
        }

        bool strict = !key.StartsWith(Lax, StringComparison.Ordinal);
        using JsonDocument schema = JsonDocument.Parse(strict ? key : key[Lax.Length..]);
        try
        {
            return Grammar.FromJsonSchema(schema.RootElement, strict);
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"response_format: {e.Message}", e);
        }
    }

    /// <summary>The key of calls of one of some tools, or of several where <paramref name="parallel"/>.</summary>
    internal static string Key(IReadOnlyList<ChatTool> tools, bool parallel, int earlierCalls)
    {
        StringBuilder key = new($"tools {parallel} {earlierCalls}");
        foreach (ChatTool tool in tools)
        {
            key.Append('\n').Append(tool.Strict ? "strict " : "").Append(tool.Name).Append('\n').Append(tool.Parameters is { } schema ? Text(schema) : "");
        }

        return key.ToString();
    }
}
