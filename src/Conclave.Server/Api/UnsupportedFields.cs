using System.Text.Json;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>
/// Fields of OpenAI's, vLLM's and llama.cpp's APIs that would change the answer and are not supported: whoever relies on one is told. Null, false and what is empty ask for nothing. Unknown
/// fields are ignored.
/// </summary>
internal static class UnsupportedFields
{
    private const string UseSchema = "ask for JSON with response_format, whose schema may have enum and pattern";

    private static readonly (string Name, string Advice)[] Everywhere =
    [
        ("guided_choice", UseSchema),
        ("guided_regex", UseSchema),
        ("guided_grammar", UseSchema),
        ("grammar", UseSchema),
        ("json_schema", "send the schema in response_format"),
        ("repetition_detection", "repetition_penalty and frequency_penalty make repetitions improbable"),
        ("logprob_token_ids", "logprobs tells of the most probable tokens"),
        ("bad_words", "logit_bias makes single tokens improbable"),
        ("prompt_logprobs", "/v1/completions scores prompts with echo and logprobs"),
        ("use_beam_search", "leave it out"),
        ("return_tokens_as_token_ids", "logprobs has the bytes of each token"),
        ("return_token_ids", "/tokenize gives the ids of a prompt"),
        ("prompt_embeds", "send a text or token ids"),
        ("cache_salt", "what one request computed is found by all others; serve --prefix-reuse none shares nothing"),
    ];

    private static readonly (string Name, string Advice)[] InChats =
    [
        ("continue_final_message", "/v1/completions goes on with any text"),
        ("echo", "/v1/completions repeats its prompt"),
        ("chat_template", "the model's own template is used; /v1/completions takes what another one renders"),
        ("documents", "put them into messages, or into chat_template_kwargs if the model's template knows them"),
        ("add_special_tokens", "the model's chat template writes them"),
        ("functions", "send them as tools"),
    ];

    // Ways to choose tokens, of llama.cpp, and the numbers with which they leave all as it is.
    private static readonly (string Name, double Nothing)[] Samplers = [("mirostat", 0), ("dry_multiplier", 0), ("xtc_probability", 0), ("typical_p", 1), ("typ_p", 1)];

    private static readonly string[] Structures = ["choice", "regex", "grammar", "structural_tag"];

    /// <exception cref="ApiException">The request has such a field.</exception>
    public static void Refuse(JsonBody body)
    {
        foreach ((string name, string advice) in Everywhere)
        {
            Refuse(body, name, name, name, advice);
        }

        // No thinking at all is a budget too, and -1 is none.
        if (body.Integer("thinking_token_budget") is { } budget and not -1)
        {
            throw NotSupported($"thinking_token_budget: {budget}", "thinking_token_budget", "reasoning_effort none asks a model not to think, max_tokens bounds all that it writes");
        }

        foreach ((string name, double nothing) in Samplers)
        {
            if (body.Number(name) is { } value && value != nothing)
            {
                throw NotSupported($"{name}: {value}", name, $"leave it out or make it {nothing}; temperature, top_p, top_k and min_p are obeyed");
            }
        }

        if (body.Object("structured_outputs") is { } structured)
        {
            foreach (string name in Structures)
            {
                Refuse(structured, name, $"structured_outputs.{name}", "structured_outputs", UseSchema);
            }
        }
    }

    /// <summary>Fields of chats only.</summary>
    /// <exception cref="ApiException">The request has such a field.</exception>
    public static void RefuseInChats(JsonBody body)
    {
        foreach ((string name, string advice) in InChats)
        {
            Refuse(body, name, advice);
        }

        // Without functions, a word asks for nothing.
        if (body.Element("function_call") is { ValueKind: JsonValueKind.Object })
        {
            throw NotSupported("function_call", "function_call", "send tools and tool_choice");
        }

        // An empty one asks for a search too.
        if (body.Element("web_search_options") is not null)
        {
            throw NotSupported("web_search_options", "web_search_options", "offer a tool that searches");
        }

        if (body.List("modalities", RequestLimits.Modalities, JsonBody.Text)?.Find(static one => one != "text") is { } other)
        {
            throw NotSupported($"modalities: '{other}'", "modalities", "text is");
        }
    }

    /// <exception cref="ApiException">The request has the field.</exception>
    public static void Refuse(JsonBody body, string name, string advice) => Refuse(body, name, name, name, advice);

    private static void Refuse(JsonBody body, string name, string path, string param, string advice)
    {
        if (body.AsksFor(name))
        {
            throw NotSupported(path, param, advice);
        }
    }

    private static ApiException NotSupported(string what, string param, string advice) => ApiException.Invalid($"{what} is not supported here; {advice}", param);
}
