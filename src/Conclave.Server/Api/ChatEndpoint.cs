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
        StreamOptions stream = StreamOptions.Read(body);
        ChatTools tools = ChatTools.Read(body);
        JsonArray messages = ChatMessages.Read(body);
        string text = Render(service, body, messages, tools);
        List<int> prompt = Encode(service, text);
        int? maxTokens = body.Integer("max_completion_tokens") ?? body.Integer("max_tokens");
        service.CheckContext("messages", prompt.Count, maxTokens);
        bool logprobs = body.Flag("logprobs") ?? false;
        int? top = body.Integer("top_logprobs");
        if (top is not null && !logprobs)
        {
            throw ApiException.Invalid("top_logprobs: only allowed where logprobs is true", "top_logprobs");
        }

        int samples = body.Integer("n") ?? 1;
        ChatOutput output = ChatOutput.Of(Template(service).ToolCalls, text, messages, tools);
        GenerationRequest request = new()
        {
            Prompt = prompt,
            Sampling = SamplingParameters.Read(body, service.Model.SuggestedSampling, maxTokens),
            Samples = samples,
            Priority = body.Integer("priority") ?? 0,
            Logprobs = logprobs ? top ?? 0 : null,
            SkipSpecialTokens = !output.NeedsSpecialTokens && (body.Flag("skip_special_tokens") ?? true),
            Grammar = output.Grammar(ResponseFormat.Read(body), service.Model.Tokenizer, service.Engine.Grammars),
        };
        ChatFormat format = new(service.Options.ModelName, service.Model.Tokenizer, output, Math.Clamp(samples, 1, service.Engine.MaxRunning));
        await new AnswerWriter(service.Engine, service.Options).RunAsync(context, [request], stream, format);
    }

    /// <summary>The tokens of a conversation, as the model's template writes it.</summary>
    public static List<int> Prompt(ModelService service, JsonBody body) =>
        Encode(service, Render(service, body, ChatMessages.Read(body), ChatTools.Read(body)));

    private static string Render(ModelService service, JsonBody body, JsonArray messages, ChatTools tools)
    {
        JsonObject? arguments = body.Object("chat_template_kwargs") is not null ? JsonObject.Create(body.Element("chat_template_kwargs")!.Value) : null;
        return Template(service).Render(messages, tools.Definitions, arguments, body.Flag("add_generation_prompt") ?? true);
    }

    private static List<int> Encode(ModelService service, string text)
    {
        // The template writes the special tokens itself.
        List<int> ids = [];
        service.Model.Tokenizer.Encode(text, ids, addSpecialTokens: false);
        return ids;
    }

    private static ChatPrompt Template(ModelService service) => service.Model.Chat
        ?? throw ApiException.Invalid("messages: this model has no chat template; use /v1/completions", "messages");
}
