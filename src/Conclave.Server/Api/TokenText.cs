using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Conclave.Primitives;
using Conclave.Server.Http;
using Conclave.Text;

namespace Conclave.Server.Api;

/// <summary>Tokens for people: bytes that are no character are U+FFFD.</summary>
internal static class TokenText
{
    public static string Of(Tokenizer tokenizer, int token) => Encoding.UTF8.GetString(Bytes(tokenizer, token));

    /// <summary>As OpenAI's completions have it, where a token's text is its only name: bytes that are no text are spelt out, such as <c>bytes:\xe6\x97</c>.</summary>
    public static string Distinct(Tokenizer tokenizer, int token)
    {
        ReadOnlySpan<byte> bytes = Bytes(tokenizer, token);
        return Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : string.Concat(bytes.ToArray().Select(static value => $"\\x{value:x2}").Prepend("bytes:"));
    }

    /// <summary>The text of tokens that a field of a request has.</summary>
    /// <exception cref="ApiException">One is not in the vocabulary, or the text is longer than a body may be.</exception>
    public static string Of(Tokenizer tokenizer, IReadOnlyList<int> tokens, bool skipSpecial, string field)
    {
        try
        {
            long bytes = tokens.Sum(token => (long)tokenizer.TokenBytes(token).Length);
            return bytes <= ServerOptions.MostBodyBytes
                ? tokenizer.Decode([.. tokens], skipSpecial)
                : throw ApiException.Invalid($"{field}: the text of these {tokens.Count} tokens has {bytes} bytes; at most {ServerOptions.MostBodyBytes} are written. Send fewer at a time", field);
        }
        catch (UserErrorException e)
        {
            throw ApiException.Invalid($"{field}: {e.Message}", field);
        }
    }

    public static void WriteBytes(Utf8JsonWriter json, Tokenizer tokenizer, int token)
    {
        json.WriteStartArray("bytes");
        foreach (byte value in Bytes(tokenizer, token))
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }

    // Heads are often padded beyond the tokenizer.
    private static ReadOnlySpan<byte> Bytes(Tokenizer tokenizer, int token) =>
        token < tokenizer.VocabularySize ? tokenizer.TokenBytes(token) : [];
}
