using System.Text.Json.Nodes;

namespace Conclave.Testing;

/// <summary>What <see cref="FaultTraffic"/> asks.</summary>
/// <param name="model">The model that is named.</param>
internal sealed class FaultQuestions(string model)
{
    /// <summary>Where completions are asked for.</summary>
    public const string Completions = "/v1/completions";

    /// <summary>How many of the questions are tales: the first ones.</summary>
    public const int Tales = 8;

    private const string Schema = """{"type": "object", "properties": {"unit": {"enum": ["c", "f"]}}, "required": ["unit"], "additionalProperties": false}""";
    private const string Tool = $$"""{"type": "function", "function": {"name": "get_weather", "parameters": {{Schema}} } }""";

    /// <summary>One of the bodies that must be refused with status 400.</summary>
    public string Malformed(Random random)
    {
        string[] bodies =
        [
            "", "{", "[]", "null", "\"x\"", "{\"model\": 3}", $"{{\"model\": \"{model}\"}}",
            $"{{\"model\": \"{model}\", \"prompt\": {{}}}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"max_tokens\": -1}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"max_tokens\": 1e400}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"temperature\": \"hot\"}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"n\": 1000000}}",
            $"{{\"model\": \"{model}\", \"prompt\": [1, 2, 999999999]}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"stop\": [1]}}",
            $"{{\"model\": \"{model}\", \"prompt\": \"x\", \"logit_bias\": {{\"a\": 1}}}}",
            $"{{\"model\": \"{model}\", \"prompt\": {new string('[', 5000)}{new string(']', 5000)}}}",
        ];
        return bodies[random.Next(bodies.Length)];
    }

    /// <summary>Plain tales, most of them with a prompt of several blocks, and one of each other kind: what forks, masks, parses or scores.</summary>
    public FaultQuestion[] All() =>
    [
        .. Enumerable.Range(0, Tales).Select(tale => new FaultQuestion("tale", Completions, Tale(tale), answers => answers.Count == 1)),
        new("several answers", Completions, Request("""{"max_tokens": 8, "n": 6, "priority": 1}""", Prompt(4)), answers => answers.Count == 6),
        new("list of prompts", Completions, Request("""{"max_tokens": 6, "n": 2, "priority": -1}""", new JsonArray(Prompt(1), Prompt(6), Prompt(1))), answers => answers.Count == 6),
        new("scored prompt", Completions, Request("""{"max_tokens": 4, "echo": true, "logprobs": 2}""", Prompt(8)), answers => answers.First.Logprobs > 80),
        Chat("chat", """{"max_tokens": 16, "priority": 1}""", answers => answers.First.Logprobs == 0),
        Chat("several answers in a chat", """{"max_tokens": 12, "n": 3, "logprobs": true, "top_logprobs": 1}""", answers => answers is { Count: 3, First.Logprobs: > 0 }),
        Chat("tools", $$"""{"max_tokens": 16, "tools": [{{Tool}}], "priority": -1}""", answers => answers.Count == 1),
        Chat("forced tool", $$"""{"max_tokens": 120, "tools": [{{Tool}}], "tool_choice": "required", "parallel_tool_calls": false}""", answers => answers.First is { Calls: > 0, Finish: "tool_calls" }),
        new("JSON object", Completions, Request("""{"max_tokens": 16, "response_format": {"type": "json_object"}, "n": 2}""", Prompt(1)), answers => answers.Count == 2),
        Chat("JSON schema", $$"""{"max_tokens": 120, "response_format": {"type": "json_schema", "json_schema": {"name": "weather", "schema": {{Schema}} } } }""", answers => answers.First.Finish == "stop"),
    ];

    private FaultQuestion Chat(string kind, string fields, Func<FaultAnswers, bool> isRight)
    {
        JsonObject request = Request(fields);
        request["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "How warm is it in the wood, asked the fox." });
        return new FaultQuestion(kind, "/v1/chat/completions", request, isRight);
    }

    /// <summary>The body of one of the tales.</summary>
    public JsonObject Tale(int tale)
    {
        JsonObject request = Request("{}", Prompt(1 + (tale * 2), tale));
        request["max_tokens"] = 4 + (tale * 2);
        request["seed"] = tale;
        request["temperature"] = tale % 2;
        request["stop"] = new JsonArray("wolf");
        return request;
    }

    private JsonObject Request(string fields, JsonNode? prompt = null)
    {
        JsonObject request = JsonNode.Parse(fields)!.AsObject();
        request["model"] = model;
        request["seed"] = 1;
        if (prompt is not null)
        {
            request["prompt"] = prompt;
        }

        return request;
    }

    private static JsonValue Prompt(int sentences, int tale = 100) => JsonValue.Create(string.Concat(Enumerable.Repeat($"Tale {tale}. Once upon a time there was a fox. ", sentences)));
}
