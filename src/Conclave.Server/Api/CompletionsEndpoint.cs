using Conclave.Engine;
using Conclave.Server.Http;
using Conclave.Text.Grammars;

namespace Conclave.Server.Api;

/// <summary>POST /v1/completions: texts that go on.</summary>
internal sealed class CompletionsEndpoint(ModelService service)
{
    public async Task HandleAsync(HttpContext context, RequestClock clock)
    {
        (List<GenerationRequest> requests, TextFormat format, StreamOptions stream) = await service.Prompts.RunAsync(context, body => Read(context, body, clock.Token), clock.Token);
        await new AnswerWriter(service.Engine, service.Options.KeepAliveInterval).RunAsync(context, requests, stream, format, clock);
    }

    private (List<GenerationRequest> Requests, TextFormat Format, StreamOptions Stream) Read(HttpContext context, JsonBody body, CancellationToken cancellation)
    {
        StreamOptions stream = StreamOptions.Read(body);
        string id = RequestId.Of(context, body);
        service.CheckModel(body.String("model"));
        UnsupportedFields.Refuse(body);
        Refuse(body);
        bool skipSpecial = body.Flag("skip_special_tokens") ?? true;
        bool echo = body.Flag("echo") ?? false;
        int samples = body.Integer("n") ?? 1;

        // OpenAI's default here, not as many as fit.
        MaxTokensField maxTokens = MaxTokensField.Read(body, least: echo ? 0 : 1, otherwise: 16, "max_tokens");
        PromptTruncation? truncation = PromptTruncation.Read(body, service.Engine.ContextLength, maxTokens.Most);
        List<TextPrompt> prompts = new PromptField(service, body.Flag("add_special_tokens") ?? true, truncation, maxTokens, cancellation).Read(body);
        int? logprobs = body.Integer("logprobs");
        SamplingOptions sampling = SamplingParameters.Read(body, service.Model.SuggestedSampling, maxTokens);
        Grammar? grammar = ResponseFormat.Read(body) is { } answer ? service.Engine.Grammars.GetOrAdd(answer, () => AnswerGrammar.Compile(answer)) : null;
        List<GenerationRequest> requests = [];
        foreach (TextPrompt prompt in prompts)
        {
            requests.Add(new GenerationRequest
            {
                Prompt = prompt.Tokens,
                Sampling = sampling,
                Samples = samples,
                Priority = body.Integer("priority") ?? 0,
                Logprobs = logprobs,
                PromptLogprobs = echo ? logprobs : null,
                SkipSpecialTokens = skipSpecial,
                Grammar = grammar,
            });
        }

        List<PromptEcho>? echoes = echo ? [.. prompts.Select(prompt => PromptEcho.Of(prompt, service.Model.Tokenizer, skipSpecial))] : null;
        int choices = checked(prompts.Count * Math.Clamp(samples, 1, service.Engine.MaxRunning));
        return (requests, new TextFormat(id, service.Options.ModelName, service.Model.Tokenizer, echoes, skipSpecial, choices), stream);
    }

    private static void Refuse(JsonBody body)
    {
        UnsupportedFields.Refuse(body, "suffix", "texts cannot be filled in between; leave it out");
        if (body.Integer("best_of") is { } best && best != (body.Integer("n") ?? 1))
        {
            throw ApiException.Invalid($"best_of: {best} is not supported; leave it out or make it n", "best_of");
        }
    }
}
