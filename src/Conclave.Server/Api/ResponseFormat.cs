using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>The field response_format: text, any JSON object, or JSON that a schema validates.</summary>
internal static class ResponseFormat
{
    private const int MostSchemaCharacters = 256 << 10;

    /// <summary>What is asked for, as the key of its grammar; null: any text.</summary>
    public static string? Read(JsonBody body)
    {
        if (body.Object("response_format") is not { } format)
        {
            return null;
        }

        switch (format.String("type"))
        {
            case "text":
                return null;
            case "json_object":
                return AnswerGrammar.AnyObject;
            case "json_schema":
                JsonElement schema = format.Object("json_schema")?.Element("schema")
                    ?? throw ApiException.Invalid("response_format.json_schema.schema: a JSON schema is expected", "response_format");
                if (schema.GetRawText().Length > MostSchemaCharacters)
                {
                    throw ApiException.Invalid($"response_format.json_schema.schema: larger than {MostSchemaCharacters} characters", "response_format");
                }

                return AnswerGrammar.Key(schema);
            case { } other:
                throw ApiException.Invalid($"response_format.type: '{other}' is not known; text, json_object or json_schema is expected", "response_format");
            case null:
                throw ApiException.Invalid("response_format.type: text, json_object or json_schema is expected", "response_format");
        }
    }
}
