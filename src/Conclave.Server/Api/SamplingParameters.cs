using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>How tokens are chosen, from the fields that chat and text completions share: OpenAI's, vLLM's beyond them, and what llama.cpp calls otherwise.</summary>
internal static class SamplingParameters
{
    /// <summary>Reads the fields; what is missing is as the model's authors suggest.</summary>
    public static SamplingOptions Read(JsonBody body, SamplingOptions suggested, MaxTokensField maxTokens) => suggested with
    {
        Temperature = body.Number("temperature") ?? suggested.Temperature,
        TopP = body.Number("top_p") ?? suggested.TopP,
        TopK = body.Integer("top_k") ?? suggested.TopK,
        MinP = body.Number("min_p") ?? suggested.MinP,
        RepetitionPenalty = body.Number("repetition_penalty") ?? body.Number("repeat_penalty") ?? suggested.RepetitionPenalty,
        PresencePenalty = body.Number("presence_penalty") ?? suggested.PresencePenalty,
        FrequencyPenalty = body.Number("frequency_penalty") ?? suggested.FrequencyPenalty,
        LogitBias = Biases(body) ?? suggested.LogitBias,
        AllowedTokens = AllowedTokens(body),

        // As in vLLM.
        Seed = body.Long("seed") is not -1 and var seed ? seed : null,
        MinTokens = maxTokens.Allow(body.Integer("min_tokens") ?? 0),
        MaxTokens = maxTokens.Most,
        IgnoreEos = body.Flag("ignore_eos") ?? false,
        StopStrings = Stops(body),
        StopTokens = body.List("stop_token_ids", RequestLimits.StopTokens, JsonBody.Whole) ?? [],
        IncludeStop = body.Flag("include_stop_str_in_output") ?? false,
    };

    private static List<int> AllowedTokens(JsonBody body) => body.List("allowed_token_ids", RequestLimits.AllowedTokens, JsonBody.Whole) switch
    {
        null => [],
        { Count: 0 } => throw ApiException.Invalid("allowed_token_ids: an empty list allows no token; name some, or leave it out", "allowed_token_ids"),
        var tokens => tokens,
    };

    private static List<string> Stops(JsonBody body) => body.Element("stop") is { ValueKind: JsonValueKind.String }
        ? [body.String("stop")!]
        : body.List("stop", RequestLimits.StopStrings, JsonBody.Text) ?? [];

    private static Dictionary<int, double>? Biases(JsonBody body)
    {
        if (body.Element("logit_bias") is not { } element)
        {
            return null;
        }

        JsonBody biases = body.Object("logit_bias")!.Value;
        Dictionary<int, double> result = [];
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!int.TryParse(property.Name, out int token))
            {
                throw ApiException.Invalid($"logit_bias: '{property.Name}' is not a token id", "logit_bias");
            }

            if (result.Count == RequestLimits.Biases)
            {
                throw ApiException.Invalid($"logit_bias: more than {RequestLimits.Biases} entries", "logit_bias");
            }

            result[token] = biases.Number(property.Name) ?? throw ApiException.Invalid($"logit_bias.{token}: a number is expected", "logit_bias");
        }

        return result;
    }
}
