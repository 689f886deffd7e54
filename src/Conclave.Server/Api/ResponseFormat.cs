using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>What an answer has to be: text, any JSON object, or JSON that a schema validates. OpenAI's field is response_format, vLLM's are guided_json and structured_outputs, and llama.cpp takes a schema in response_format itself.</summary>
internal static class ResponseFormat
{
    private const int MostSchemaCharacters = 256 << 10;

    /// <summary>What is asked for, as the key of its grammar; null: any text.</summary>
    public static string? Read(JsonBody body)
    {
        JsonBody? structured = body.Object("structured_outputs");
        string?[] asked =
        [
            OfOpenAI(body),
            Schema(body.Element("guided_json"), "guided_json", "guided_json", strict: true),
            Schema(structured?.Element("json"), "structured_outputs.json", "structured_outputs", strict: true),
            structured?.Flag("json_object") is true ? AnswerGrammar.AnyObject : null,
        ];
        return asked.Count(key => key is not null) < 2
            ? asked.FirstOrDefault(key => key is not null)
            : throw ApiException.Invalid("response_format: what the answer has to be is said twice, by response_format, guided_json or structured_outputs; say it once", "response_format");
    }

    private static string? OfOpenAI(JsonBody body)
    {
        if (body.Object("response_format") is not { } format)
        {
            return null;
        }

        return format.String("type") switch
        {
            "text" => null,
            "json_object" => format.AsksFor("schema") ? Schema(format.Element("schema"), "response_format.schema", "response_format", strict: false) : AnswerGrammar.AnyObject,
            "json_schema" => OfJsonSchema(format),
            { } other => throw ApiException.Invalid($"response_format.type: '{other}' is not known; text, json_object or json_schema is expected", "response_format"),
            null => throw ApiException.Invalid("response_format.type: text, json_object or json_schema is expected", "response_format"),
        };
    }

    private static string OfJsonSchema(JsonBody format)
    {
        JsonBody? named = format.Object("json_schema");
        bool strict = named?.Flag("strict") ?? false;
        return Schema(named?.Element("schema"), "response_format.json_schema.schema", "response_format", strict)
            ?? Schema(format.Element("schema"), "response_format.schema", "response_format", strict)
            ?? (named is null ? throw ApiException.Invalid("response_format.json_schema: an object with a JSON schema is expected", "response_format") : AnswerGrammar.AnyObject);
    }

    // vLLM takes the text of a schema too.
    private static string? Schema(JsonElement? given, string path, string param, bool strict)
    {
        if (given is not { } schema)
        {
            return null;
        }

        if (schema.GetRawText().Length > MostSchemaCharacters)
        {
            throw ApiException.Invalid($"{path}: larger than {MostSchemaCharacters} characters", param);
        }

        if (schema.ValueKind != JsonValueKind.String)
        {
            return AnswerGrammar.Key(schema, strict);
        }

        using JsonDocument parsed = JsonBody.Parse(schema.GetString()!, path, param);
        return AnswerGrammar.Key(parsed.RootElement, strict);
    }
}
