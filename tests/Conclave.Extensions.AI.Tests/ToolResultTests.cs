using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Results of tools, as functions of an application and of MCP servers return them.</summary>
public sealed class ToolResultTests
{
    [Fact]
    public void OfAToolsMessageOnlyTheResultsAreWritten() => Check(
        new ChatMessage(ChatRole.Tool, [new FunctionResultContent("a", "noon"), new TextContent("It is late.")]),
        """[{"role": "tool", "tool_call_id": "a", "content": "noon"}]""");

    [Fact]
    public void AUsersTextBesideAResultIsWrittenBehindIt() => Check(
        new ChatMessage(ChatRole.User, [new FunctionResultContent("a", "noon"), new TextContent("Is it late?")]),
        """[{"role": "tool", "tool_call_id": "a", "content": "noon"}, {"role": "user", "content": "Is it late?"}]""");

    [Fact]
    public void TextContentsAreOneText()
    {
        const string Expected = """[{"role": "tool", "tool_call_id": "a", "content": "It is noon."}]""";
        Check(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("a", new List<AIContent> { new TextContent("It is "), new TextContent("noon.") })]), Expected);
        Check(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("a", new TextContent[] { new("It is "), new("noon.") })]), Expected);
    }

    private static void Check(ChatMessage message, string expected)
    {
        JsonArray written = MessageReader.Read([message], null);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), written), written.ToJsonString());
    }
}
