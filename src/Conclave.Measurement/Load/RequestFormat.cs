using System.Buffers;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>
/// Writes requests as the OpenAI API reads them: streamed with usage, at temperature 0, and with ignore_eos, which vLLM introduced and others understand, so
/// that answers get their full length.
/// </summary>
/// <param name="endpoint">Token ids, or words.</param>
/// <param name="model">The model's name on the server.</param>
/// <param name="vocabulary">Token ids are drawn from 256 … 255 + this many: every vocabulary has them, and special tokens lie elsewhere.</param>
/// <param name="salt">Other salts give other tokens, with the same equalities between prompts: a run does not find the prompts of the last one in the server's cache.</param>
public sealed class RequestFormat(LoadEndpoint endpoint, string model, int vocabulary, ulong salt)
{
    /// <summary>The lowest token id of prompts: byte-level vocabularies have bytes below, others special tokens.</summary>
    public const int FirstToken = 256;

    private static readonly string[] Words =
    [
        "the", "of", "and", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as", "with", "his", "they", "at", "be", "this",
        "have", "from", "or", "one", "had", "by", "word", "but", "not", "what", "all", "were", "we", "when", "your", "can", "said", "there", "use",
        "an", "each", "which", "she", "do", "how", "their", "if", "will", "up", "other", "about", "out", "many", "then", "them", "these", "so",
        "some", "her", "would", "make", "like", "him",
    ];

    /// <summary>The token ids of a prompt.</summary>
    public IEnumerable<int> Tokens(LoadRequest request) => Draws(request, vocabulary).Select(draw => FirstToken + draw);

    /// <summary>The body of a request.</summary>
    public ReadOnlyMemory<byte> Write(LoadRequest request)
    {
        ArrayBufferWriter<byte> body = new(4096);
        using Utf8JsonWriter json = new(body);
        json.WriteStartObject();
        json.WriteString("model", model);
        if (endpoint == LoadEndpoint.Completions)
        {
            WriteTokens(json, request);
        }
        else
        {
            WriteMessage(json, request);
        }

        json.WriteNumber("max_tokens", request.OutputTokens);
        json.WriteNumber("temperature", 0);
        json.WriteBoolean("ignore_eos", true);
        json.WriteBoolean("stream", true);
        json.WriteStartObject("stream_options");
        json.WriteBoolean("include_usage", true);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return body.WrittenMemory;
    }

    private void WriteTokens(Utf8JsonWriter json, LoadRequest request)
    {
        json.WriteStartArray("prompt");
        foreach (int token in Tokens(request))
        {
            json.WriteNumberValue(token);
        }

        json.WriteEndArray();
    }

    private void WriteMessage(Utf8JsonWriter json, LoadRequest request)
    {
        json.WriteStartArray("messages");
        json.WriteStartObject();
        json.WriteString("role", "user");
        json.WriteString("content", string.Join(' ', Draws(request, Words.Length).Select(draw => Words[draw])));
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private IEnumerable<int> Draws(LoadRequest request, int count)
    {
        foreach (PromptSegment segment in request.Prompt)
        {
            ulong key = SplitMix64.At(salt, segment.Seed);
            for (int i = 0; i < segment.Tokens; i++)
            {
                yield return SplitMix64.Below(key, (ulong)i, count);
            }
        }
    }
}
