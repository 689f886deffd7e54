using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>POST /tokenize and /detokenize, as in vLLM.</summary>
internal sealed class TokenizerEndpoints(ModelService service)
{
    public async Task TokenizeAsync(HttpContext context, RequestClock clock)
    {
        (IReadOnlyList<int> tokens, bool texts) = await service.Prompts.RunAsync(context, body => Tokens(body, clock.Token), clock.Token);
        await JsonResponse.WriteAsync(context.Response, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count", tokens.Count);
            json.WriteNumber("max_model_len", service.Engine.ContextLength);
            json.WriteStartArray("tokens");
            foreach (int token in tokens)
            {
                json.WriteNumberValue(token);
            }

            json.WriteEndArray();
            if (texts)
            {
                json.WriteStartArray("token_strs");
                foreach (int token in tokens)
                {
                    json.WriteStringValue(TokenText.Of(service.Model.Tokenizer, token));
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        });
    }

    public async Task DetokenizeAsync(HttpContext context, RequestClock clock)
    {
        string text = await service.Prompts.RunAsync(context, Text, clock.Token);
        await JsonResponse.WriteAsync(context.Response, json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", text);
            json.WriteEndObject();
        });
    }

    // Also what no context holds can be counted.
    private (IReadOnlyList<int> Tokens, bool Texts) Tokens(JsonBody body, CancellationToken cancellation)
    {
        service.CheckModel(body.String("model"));
        bool texts = body.Flag("return_token_strs") ?? false;
        if (body.String("prompt") is not { } prompt)
        {
            ChatRequest chat = ChatEndpoint.Conversation(service, body, RequestLimits.Tokens, cancellation);
            CheckCount("messages", chat.PromptTokens);
            return (chat.Prompt, texts);
        }

        List<int> tokens = [];
        CheckCount("prompt", service.Model.Tokenizer.Encode(prompt, tokens, body.Flag("add_special_tokens") ?? true, most: RequestLimits.Tokens, cancellation: cancellation));
        return (tokens, texts);
    }

    private static void CheckCount(string field, long tokens)
    {
        if (tokens > RequestLimits.Tokens)
        {
            throw ApiException.Invalid($"{field}: at least {tokens} tokens; at most {RequestLimits.Tokens} are written. Send it in parts", field);
        }
    }

    private string Text(JsonBody body)
    {
        service.CheckModel(body.String("model"));
        if (body.Element("tokens") is not { ValueKind: JsonValueKind.Array } tokens)
        {
            throw ApiException.Invalid("tokens: a list of token ids is expected", "tokens");
        }

        return TokenText.Of(service.Model.Tokenizer, JsonBody.Integers(tokens, "tokens", RequestLimits.Tokens), skipSpecial: false, "tokens");
    }
}
