using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>POST /v1/chat/completions: answers in conversations.</summary>
internal sealed class ChatEndpoint(ModelService service)
{
    public async Task HandleAsync(HttpContext context)
    {
        using JsonDocument document = await JsonBody.ReadAsync(context);
        JsonBody body = JsonBody.Of(document.RootElement);
        service.CheckModel(body.String("model"));
        UnsupportedFields.Refuse(body);
        StreamOptions stream = StreamOptions.Read(body);
        ChatRequest chat = Conversation(service, body);
        int? maxTokens = body.Integer("max_completion_tokens") ?? body.Integer("max_tokens");
        IReadOnlyList<int> prompt = PromptTruncation.Last(chat.Prompt, PromptTruncation.Read(body, service.Engine.ContextLength, maxTokens));
        service.CheckContext("messages", prompt.Count, maxTokens);
        bool logprobs = body.Flag("logprobs") ?? false;
        int? top = body.Integer("top_logprobs");
        if (top is not null && !logprobs)
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
            Prompt = prompt,
            Samples = samples,
            Priority = body.Integer("priority") ?? 0,
            Logprobs = logprobs ? top ?? 0 : null,
            SkipSpecialTokens = request.SkipSpecialTokens && (body.Flag("skip_special_tokens") ?? true),
        };
        ChatFormat format = new(service.Options.ModelName, service.Model.Tokenizer, chat, Math.Clamp(samples, 1, service.Engine.MaxRunning));
        await new AnswerWriter(service.Engine, service.Options).RunAsync(context, [request], stream, format);
    }

    /// <summary>The conversation of a request.</summary>
    public static ChatRequest Conversation(ModelService service, JsonBody body)
    {
        ChatPrompt template = service.Model.Chat ?? throw ApiException.Invalid("messages: this model has no chat template; use /v1/completions", "messages");
        JsonObject? arguments = body.Object("chat_template_kwargs") is not null ? JsonObject.Create(body.Element("chat_template_kwargs")!.Value) : null;
        UnsupportedFields.Refuse(body, "continue_final_message", "/v1/completions goes on with any text");
        UnsupportedFields.Refuse(body, "chat_template", "the model's own template is used; /v1/completions takes what another one renders");
        UnsupportedFields.Refuse(body, "documents", "put them into messages, or into chat_template_kwargs if the model's template knows them");
        ChatTools tools = ToolsField.Read(body);
        return new ChatRequest(template, ChatMessages.Read(body), tools, arguments, body.Flag("add_generation_prompt") ?? true);
    }
}
