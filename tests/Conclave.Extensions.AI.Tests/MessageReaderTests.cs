using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Conversations become what OpenAI's API has.</summary>
public sealed class MessageReaderTests
{
    [Fact]
    public void AllKindsOfContentAreWrittenAsTheApiHasThem()
    {
        ChatMessage[] messages =
        [
            new(ChatRole.User, [new TextContent("How warm is it in Rome, "), new TextContent("and what time is it?")]),
            new(ChatRole.Assistant,
                [
                    new TextReasoningContent("Two "), new TextReasoningContent("calls."),
                    new FunctionCallContent("a", "get_weather", new Dictionary<string, object?> { ["city"] = "Rome", ["days"] = 2, ["place"] = null }),
                    new FunctionCallContent("b", "tell_time"),
                    new UsageContent(new UsageDetails { InputTokenCount = 3 }),
                ]),
            new(ChatRole.Tool, [new FunctionResultContent("a", new Dictionary<string, object> { ["degrees"] = 31 }), new FunctionResultContent("b", "noon")]),
            new(ChatRole.Assistant, "31 degrees, noon."),
        ];
        JsonNode expected = JsonNode.Parse(
            """
            [
              {"role": "system", "content": "You tell tales."},
              {"role": "user", "content": "How warm is it in Rome, and what time is it?"},
              {"role": "assistant", "content": null, "reasoning_content": "Two calls.", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Rome\",\"days\":2,\"place\":null}"}},
                {"id": "b", "type": "function", "function": {"name": "tell_time", "arguments": "{}"}}]},
              {"role": "tool", "tool_call_id": "a", "content": "{\"degrees\":31}"},
              {"role": "tool", "tool_call_id": "b", "content": "noon"},
              {"role": "assistant", "content": "31 degrees, noon."}
            ]
            """)!;
        JsonArray written = MessageReader.Read(messages, "You tell tales.");
        Assert.True(JsonNode.DeepEquals(expected, written), written.ToJsonString());
    }
}
