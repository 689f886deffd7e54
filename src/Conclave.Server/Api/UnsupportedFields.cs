using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>
/// Fields of OpenAI's and vLLM's APIs that would change the answer and are not supported: whoever relies on one is told. Null, false and what is empty ask for nothing. Unknown
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
        ("bad_words", "logit_bias makes single tokens improbable"),
        ("prompt_logprobs", "/v1/completions scores prompts with echo and logprobs"),
        ("use_beam_search", "leave it out"),
    ];

    private static readonly string[] Structures = ["choice", "regex", "grammar", "structural_tag"];

    /// <exception cref="ApiException">The request has such a field.</exception>
    public static void Refuse(JsonBody body)
    {
        foreach ((string name, string advice) in Everywhere)
        {
            Refuse(body, name, name, name, advice);
        }

        if (body.Object("structured_outputs") is { } structured)
        {
            foreach (string name in Structures)
            {
                Refuse(structured, name, $"structured_outputs.{name}", "structured_outputs", UseSchema);
            }
        }
    }

    /// <exception cref="ApiException">The request has the field.</exception>
    public static void Refuse(JsonBody body, string name, string advice) => Refuse(body, name, name, name, advice);

    private static void Refuse(JsonBody body, string name, string path, string param, string advice)
    {
        if (body.AsksFor(name))
        {
            throw ApiException.Invalid($"{path} is not supported here; {advice}", param);
        }
    }
}
