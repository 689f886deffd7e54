using Conclave.Engine;
using Conclave.Server.Api;
using Conclave.Server.Http;

namespace Conclave.Server;

/// <summary>What all endpoints work with.</summary>
/// <param name="Model">The model's tokenizer, template and suggestions.</param>
/// <param name="Engine">Who computes.</param>
/// <param name="Options">How the server was started.</param>
internal sealed record ModelService(LoadedModel Model, InferenceEngine Engine, ServerOptions Options)
{
    /// <summary>When the server was started, in seconds since 1970.</summary>
    public long Created { get; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>Who reads requests and makes prompts of them.</summary>
    public PromptGate Prompts { get; } = new(Engine, Options.BodyTime);

    /// <summary>How long requests may take.</summary>
    public TimeLimit TimeLimit { get; } = new(Options.RequestTimeout);

    /// <summary>How far a prompt is encoded that is too long. Who is not far beyond the context is told by how much.</summary>
    public int MostPromptTokens { get; } = (int)Math.Min(int.MaxValue, 2L * Engine.ContextLength);

    /// <summary>Makes sure that a request asks for this model; as in vLLM, one that names none does.</summary>
    /// <exception cref="ApiException">It asks for another.</exception>
    public void CheckModel(string? name)
    {
        if (!string.IsNullOrEmpty(name) && name != Options.ModelName)
        {
            throw new ApiException(
                StatusCodes.Status404NotFound, "invalid_request_error", $"the model '{name}' does not exist here; this server has '{Options.ModelName}'", "model", "model_not_found");
        }
    }

    /// <summary>Makes sure that a prompt and the most tokens asked for fit the context.</summary>
    /// <exception cref="ApiException">They do not.</exception>
    public void CheckContext(string promptField, long promptTokens, MaxTokensField maxTokens)
    {
        bool isTooLong = promptTokens > Engine.ContextLength - (maxTokens.Most == 0 ? 0 : 1);
        if (isTooLong || promptTokens + (maxTokens.Most ?? 0) > Engine.ContextLength)
        {
            string atLeast = promptTokens > MostPromptTokens ? "at least " : "";
            string asked = maxTokens.Most is { } most ? $" and {most} tokens of answer were asked for ({maxTokens.Name})" : "";
            throw ApiException.Invalid(
                $"this model's maximum context length is {Engine.ContextLength} tokens; the prompt has {atLeast}{promptTokens}{asked}. Shorten the prompt or ask for fewer tokens",
                isTooLong ? promptField : maxTokens.Name, "context_length_exceeded");
        }
    }
}
