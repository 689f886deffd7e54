using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;
using Conclave.Text.Grammars;

namespace Conclave.Server.Api;

/// <summary>POST /v1/completions: texts that go on.</summary>
internal sealed class CompletionsEndpoint(ModelService service)
{
    public async Task HandleAsync(HttpContext context)
    {
        using JsonDocument document = await JsonBody.ReadAsync(context);
        JsonBody body = JsonBody.Of(document.RootElement);
        service.CheckModel(body.String("model"));
        UnsupportedFields.Refuse(body);
        Refuse(body);
        StreamOptions stream = StreamOptions.Read(body);
        bool skipSpecial = body.Flag("skip_special_tokens") ?? true;
        bool echo = body.Flag("echo") ?? false;
        int samples = body.Integer("n") ?? 1;

        // OpenAI's default here, not as many as fit.
        int maxTokens = body.Integer("max_tokens") ?? 16;
        List<IReadOnlyList<int>> prompts = Prompts(body, PromptTruncation.Read(body, service.Engine.ContextLength, maxTokens));
        bool promptOnly = maxTokens == 0 && echo;
        int? logprobs = body.Integer("logprobs");
        SamplingOptions sampling = SamplingParameters.Read(body, service.Model.SuggestedSampling, promptOnly ? 1 : maxTokens);
        Grammar? grammar = ResponseFormat.Read(body) is { } answer ? service.Engine.Grammars.GetOrAdd(answer, () => AnswerGrammar.Compile(answer)) : null;
        List<GenerationRequest> requests = [];
        foreach (IReadOnlyList<int> prompt in prompts)
        {
            service.CheckContext("prompt", prompt.Count, maxTokens);
            requests.Add(new GenerationRequest
            {
                Prompt = prompt,
                Sampling = sampling,
                Samples = samples,
                Priority = body.Integer("priority") ?? 0,
                Logprobs = logprobs,
                PromptLogprobs = echo ? logprobs : null,
                SkipSpecialTokens = skipSpecial,
                Grammar = grammar,
            });
        }

        List<string>? texts = echo ? [.. prompts.Select(prompt => service.Model.Tokenizer.Decode([.. prompt], skipSpecial))] : null;
        int choices = checked(prompts.Count * Math.Clamp(samples, 1, service.Engine.MaxRunning));
        TextFormat format = new(service.Options.ModelName, service.Model.Tokenizer, texts, skipSpecial, choices) { PromptOnly = promptOnly };
        await new AnswerWriter(service.Engine, service.Options).RunAsync(context, requests, stream, format);
    }

    private static void Refuse(JsonBody body)
    {
        UnsupportedFields.Refuse(body, "suffix", "texts cannot be filled in between; leave it out");
        if (body.Integer("best_of") is { } best && best != (body.Integer("n") ?? 1))
        {
            throw ApiException.Invalid($"best_of: {best} is not supported; leave it out or make it n", "best_of");
        }
    }

    private List<IReadOnlyList<int>> Prompts(JsonBody body, int? most)
    {
        bool special = body.Flag("add_special_tokens") ?? true;
        JsonElement prompt = body.Element("prompt") ?? throw ApiException.Invalid("prompt: a string, token ids, or a list of these is expected", "prompt");
        if (prompt.ValueKind == JsonValueKind.String)
        {
            return [Encode(JsonBody.Text(prompt, "prompt"), special, most)];
        }

        if (prompt.ValueKind != JsonValueKind.Array || prompt.GetArrayLength() == 0)
        {
            throw JsonBody.Wrong("prompt", "a string, token ids, or a list of these", prompt);
        }

        return prompt[0].ValueKind == JsonValueKind.Number
            ? [Tokens(prompt, "prompt", most)]
            : JsonBody.Entries(prompt, "prompt", RequestLimits.Prompts, (entry, path) => entry.ValueKind == JsonValueKind.Array
                ? Tokens(entry, path, most)
                : Encode(JsonBody.Text(entry, path), special, most));
    }

    private static IReadOnlyList<int> Tokens(JsonElement prompt, string path, int? most) =>
        PromptTruncation.Last(JsonBody.Entries(prompt, path, RequestLimits.Tokens, JsonBody.Whole), most);

    // As in vLLM, what the tokenizer puts before a text, such as a token of the beginning, stays.
    private IReadOnlyList<int> Encode(string text, bool special, int? most)
    {
        List<int> ids = [];
        service.Model.Tokenizer.Encode(text, ids, special);
        if (ids.Count <= most || most is null)
        {
            return ids;
        }

        List<int> around = [];
        service.Model.Tokenizer.Encode("", around, special);
        return PromptTruncation.Last(ids, most, around.Zip(ids).TakeWhile(pair => pair.First == pair.Second).Count());
    }
}
