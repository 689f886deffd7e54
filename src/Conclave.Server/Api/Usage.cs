using System.Text.Json;

namespace Conclave.Server.Api;

/// <summary>Tokens that a request took.</summary>
internal struct Usage
{
    public int Prompt;
    public int Completion;
    public int Cached;
    public int Reasoning;

    public readonly void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", Prompt);
        json.WriteNumber("completion_tokens", Completion);
        json.WriteNumber("total_tokens", Prompt + Completion);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", Cached);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", Reasoning);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
