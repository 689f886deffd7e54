using System.Text.Json;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>POST /tokenize and /detokenize, as in vLLM.</summary>
internal sealed class TokenizerEndpoints(ModelService service)
{
    public async Task TokenizeAsync(HttpContext context)
    {
        using JsonDocument document = await JsonBody.ReadAsync(context);
        JsonBody body = JsonBody.Of(document.RootElement);
        CheckModel(body);
        List<int> tokens = [];
        if (body.String("prompt") is { } prompt)
        {
            service.Model.Tokenizer.Encode(prompt, tokens, body.Flag("add_special_tokens") ?? true);
        }
        else
        {
            tokens = [.. ChatEndpoint.Conversation(service, body).Prompt];
        }

        bool texts = body.Flag("return_token_strs") ?? false;
        await WriteAsync(context, json =>
        {
            json.WriteNumber("count", tokens.Count);
            json.WriteNumber("max_model_len", service.Engine.ContextLength);
            json.WriteStartArray("tokens");
            tokens.ForEach(json.WriteNumberValue);
            json.WriteEndArray();
            if (texts)
            {
                json.WriteStartArray("token_strs");
                tokens.ForEach(token => json.WriteStringValue(TokenText.Of(service.Model.Tokenizer, token)));
                json.WriteEndArray();
            }
        });
    }

    public async Task DetokenizeAsync(HttpContext context)
    {
        using JsonDocument document = await JsonBody.ReadAsync(context);
        JsonBody body = JsonBody.Of(document.RootElement);
        CheckModel(body);
        List<int> tokens = body.List("tokens", RequestLimits.Tokens, JsonBody.Whole) ?? throw ApiException.Invalid("tokens: a list of token ids is expected", "tokens");
        string text = service.Model.Tokenizer.Decode([.. tokens], skipSpecialTokens: false);
        await WriteAsync(context, json => json.WriteString("prompt", text));
    }

    private void CheckModel(JsonBody body)
    {
        if (body.String("model") is { } name)
        {
            service.CheckModel(name);
        }
    }

    private static async Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        await using Utf8JsonWriter json = new(context.Response.BodyWriter, JsonBody.WriterOptions);
        json.WriteStartObject();
        write(json);
        json.WriteEndObject();
    }
}
