using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>POST /v1/chat/completions: answers in conversations.</summary>
internal sealed class ChatEndpoint(ModelService service)
{
    private int _toolsNotShown;

    public async Task HandleAsync(HttpContext context, RequestClock clock)
    {
        (GenerationRequest request, ChatFormat format, StreamOptions stream) = await service.Prompts.RunAsync(context, body => Read(context, body, clock.Token), clock.Token);
        await new AnswerWriter(service.Engine, service.Options.KeepAliveInterval).RunAsync(context, [request], stream, format, clock);
    }

    private (GenerationRequest Request, ChatFormat Format, StreamOptions Stream) Read(HttpContext context, JsonBody body, CancellationToken cancellation)
    {
        StreamOptions stream = StreamOptions.Read(body);
        string id = RequestId.Of(context, body);
        service.CheckModel(body.String("model"));
        UnsupportedFields.Refuse(body);
        MaxTokensField maxTokens = MaxTokensField.Read(body, least: 1, otherwise: null, "max_completion_tokens", "max_tokens");
        PromptTruncation? truncation = PromptTruncation.Read(body, service.Engine.ContextLength, maxTokens.Most);
        ChatRequest chat = Conversation(service, body, truncation is null ? service.MostPromptTokens : int.MaxValue, cancellation);
        if (chat.HasTools && !service.Model.Chat!.ShowsTools && Interlocked.Exchange(ref _toolsNotShown, 1) == 0)
        {
            Log.ToolsAreNotShown(context.RequestServices.GetRequiredService<ILogger<ConclaveServer>>());
        }

        service.CheckContext("messages", Math.Min(chat.PromptTokens, truncation?.Most ?? long.MaxValue), maxTokens);
        bool logprobs = body.Flag("logprobs") ?? false;
        int? top = body.Integer("top_logprobs");
        if (top > 0 && !logprobs)
        {
            throw ApiException.Invalid("top_logprobs: only allowed where logprobs is true", "top_logprobs");
        }

        if (top is < 0 or > GenerationRequest.MostLogprobs)
        {
            throw ApiException.Invalid($"top_logprobs: {top} is out of range; from 0 to {GenerationRequest.MostLogprobs} is expected", "top_logprobs");
        }

        int samples = body.Integer("n") ?? 1;
        GenerationRequest request = chat.ToGeneration(
            SamplingParameters.Read(body, service.Model.SuggestedSampling, maxTokens), ResponseFormat.Read(body), service.Engine.Grammars);
        request = request with
        {
            Prompt = truncation?.Cut(chat.Prompt) ?? chat.Prompt,
            Samples = samples,
            Priority = body.Integer("priority") ?? 0,
            Logprobs = logprobs ? top ?? 0 : null,
            SkipSpecialTokens = request.SkipSpecialTokens && (body.Flag("skip_special_tokens") ?? true),
        };
        ChatFormat format = new(id, service.Options.ModelName, service.Model.Tokenizer, chat, Math.Clamp(samples, 1, service.Engine.MaxRunning))
        {
            IncludeReasoning = body.Flag("include_reasoning") ?? true,
        };
        return (request, format, stream);
    }

    // Of OpenAI's API and vLLM's. Most models of this family think or do not: there is nothing between.
    private static readonly string[] Efforts = [ThinkingVariables.NoEffort, "minimal", "low", "medium", "high", "xhigh", "max"];

    /// <summary>The conversation of a request, of which a prompt of more than <paramref name="mostTokens"/> tokens is of no use.</summary>
    public static ChatRequest Conversation(ModelService service, JsonBody body, int mostTokens, CancellationToken cancellation)
    {
        ChatPrompt template = service.Model.Chat ?? throw ApiException.Invalid("messages: this model has no chat template; use /v1/completions", "messages");
        JsonObject? arguments = TemplateArguments(body);
        UnsupportedFields.RefuseInChats(body);
        ChatTools tools = ToolsField.Read(body);
        return new ChatRequest(template, ChatMessages.Read(body), tools, arguments, body.Flag("add_generation_prompt") ?? true, mostTokens, cancellation);
    }

    // What is said to the template itself has the last word.
    private static JsonObject? TemplateArguments(JsonBody body)
    {
        JsonObject? given = body.Object("chat_template_kwargs") is not null ? JsonObject.Create(body.Element("chat_template_kwargs")!.Value) : null;
        if (body.String("reasoning_effort") is not { } effort)
        {
            return given;
        }

        if (!Efforts.Contains(effort))
        {
            throw ApiException.Invalid($"reasoning_effort: '{effort}' is not known; one of {string.Join(", ", Efforts)} is expected", "reasoning_effort");
        }

        JsonObject arguments = ThinkingVariables.Create(effort);
        foreach ((string name, JsonNode? value) in given ?? [])
        {
            arguments[name] = value?.DeepClone();
        }

        return arguments;
    }
}
