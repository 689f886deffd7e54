using System.Globalization;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Primitives;
using Conclave.Text.Chat;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI;

/// <summary>What <see cref="ChatOptions"/> mean to the engine.</summary>
internal sealed class OptionsReader
{
    private readonly ChatOptions _options;

    /// <exception cref="UserErrorException">Another model is asked for, or a tool or the response format cannot be used.</exception>
    public OptionsReader(ChatOptions? options, string model)
    {
        _options = options ?? new ChatOptions();
        if (_options.ModelId is { } asked && asked != model)
        {
            throw new UserErrorException($"the model '{asked}' is asked for; this client has '{model}'");
        }

        Tools = ReadTools(_options);
        ResponseFormat = _options.ResponseFormat switch
        {
            ChatResponseFormatJson { Schema: { } schema } => AnswerGrammar.Key(schema, Strict(_options.AdditionalProperties) ?? false),
            ChatResponseFormatJson => AnswerGrammar.AnyObject,
            _ => null,
        };
    }

    public ChatTools Tools { get; }

    /// <summary>The key of what the answer must be; null: anything.</summary>
    public string? ResponseFormat { get; }

    public bool LeavesReasoningOut => _options.Reasoning?.Output == ReasoningOutput.None;

    /// <summary>Tells templates whether to think; null: they decide.</summary>
    public JsonObject? TemplateArguments => _options.Reasoning?.Effort is { } effort ? ThinkingVariables.Create(Word(effort)) : null;

    /// <summary>How tokens are chosen; what is left open is as suggested.</summary>
    public SamplingOptions Sampling(SamplingOptions suggested) => suggested with
    {
        Temperature = Exact(_options.Temperature) ?? suggested.Temperature,
        TopP = Exact(_options.TopP) ?? suggested.TopP,
        TopK = _options.TopK ?? suggested.TopK,
        PresencePenalty = Exact(_options.PresencePenalty) ?? suggested.PresencePenalty,
        FrequencyPenalty = Exact(_options.FrequencyPenalty) ?? suggested.FrequencyPenalty,
        Seed = _options.Seed ?? suggested.Seed,
        MaxTokens = _options.MaxOutputTokens ?? suggested.MaxTokens,
        StopStrings = _options.StopSequences is { Count: > 0 } stops ? [.. stops] : suggested.StopStrings,
    };

    // 0.7f means the number 0.7, which a server reads from JSON, not the binary32 value next to it.
    private static double? Exact(float? value) =>
        value is { } number ? double.Parse(number.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;

    // Where Microsoft.Extensions.AI.OpenAI looks for it: at the function, then at the request.
    private static bool? Strict(IEnumerable<KeyValuePair<string, object?>>? properties) =>
        properties?.FirstOrDefault(property => property.Key.Equals("strict", StringComparison.OrdinalIgnoreCase)).Value as bool?;

    // OpenAI's words, as Microsoft.Extensions.AI.OpenAI sends them.
    private static string Word(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.None => ThinkingVariables.NoEffort,
        ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        ReasoningEffort.High => "high",
        _ => "xhigh",
    };

    private static ChatTools ReadTools(ChatOptions options)
    {
        List<ChatTool> tools = [];
        List<JsonObject> definitions = [];
        foreach (AITool tool in options.Tools ?? [])
        {
            AIFunctionDeclaration function = tool as AIFunctionDeclaration
                ?? throw new UserErrorException($"tools: '{tool.Name}' is a {tool.GetType().Name}; only functions are supported");
            tools.Add(new ChatTool(function.Name, function.JsonSchema, Strict(function.AdditionalProperties) ?? Strict(options.AdditionalProperties) ?? false));
            definitions.Add(new JsonObject
            {
                ["type"] = "function",
                ["function"] = new JsonObject
                {
                    ["name"] = function.Name,
                    ["description"] = function.Description,
                    ["parameters"] = JsonObject.Create(function.JsonSchema),
                },
            });
        }

        (ToolChoice choice, string[]? allowed) = options.ToolMode switch
        {
            RequiredChatToolMode { RequiredFunctionName: { } name } => (ToolChoice.Required, [name]),
            RequiredChatToolMode => (ToolChoice.Required, null),
            NoneChatToolMode => (ToolChoice.None, null),
            _ => (ToolChoice.Auto, (string[]?)null),
        };
        return new ChatTools(tools, new JsonArray([.. definitions]), choice, allowed, allowed is null && (options.AllowMultipleToolCalls ?? true));
    }
}
