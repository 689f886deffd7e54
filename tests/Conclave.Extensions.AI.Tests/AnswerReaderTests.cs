using Conclave.Text.Chat;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Conclave.Extensions.AI.Tests;

/// <summary>What models write becomes contents, however it is cut.</summary>
public sealed class AnswerReaderTests
{
    private static readonly ChatTool[] Tools = [new("get_weather"), new("tell_time")];

    public static TheoryData<string, string> Formats => new()
    {
        {
            "DeepSeek R1",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Rome\", \"days\": 2}\n```<｜tool▁call▁end｜>\n"
            + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>tell_time\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        },
        {
            "Kimi K2",
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Rome\", \"days\": 2}<|tool_call_end|>"
            + "<|tool_call_begin|>functions.tell_time:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>"
        },
        {
            "GLM",
            "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>\"Rome\"</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n<tool_call>tell_time\n</tool_call>"
        },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void ReasoningContentAndCallsComeInTheirOrder(string name, string calls)
    {
        ToolCallFormat format = name switch { "GLM" => ToolCallFormat.Glm, "Kimi K2" => ToolCallFormat.KimiK2, _ => ToolCallFormat.DeepSeekR1 };
        string text = $"<think>\nLet me look.\n</think>\n\nI look.\n{calls}";
        for (int size = 1; size < 40; size += 6)
        {
            List<AIContent> contents = Read(new AnswerReader(new ChatOutputParser(format, false, Tools), leavesReasoningOut: false), text, size);
            ChatMessage message = new ChatResponseUpdate[] { new(ChatRole.Assistant, contents) }.ToChatResponse().Messages.Single();
            Assert.Equal(
                [typeof(TextReasoningContent), typeof(TextContent), typeof(FunctionCallContent), typeof(FunctionCallContent)], message.Contents.Select(content => content.GetType()));
            Assert.Equal("Let me look.", ((TextReasoningContent)message.Contents[0]).Text);
            Assert.Equal("I look.", message.Text);
            FunctionCallContent first = (FunctionCallContent)message.Contents[2];
            Assert.Equal("get_weather", first.Name);
            Assert.Equal(("Rome", "2"), (first.Arguments!["city"]!.ToString(), first.Arguments["days"]!.ToString()));
            FunctionCallContent second = (FunctionCallContent)message.Contents[3];
            Assert.Equal("tell_time", second.Name);
            Assert.Empty(second.Arguments!);
            Assert.NotEqual(first.CallId, second.CallId);
        }
    }

    [Fact]
    public void ArgumentsThatAreNoJsonHaveTheirException()
    {
        const string Text = "<think>x</think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": Rome\n```<｜tool▁call▁end｜>";
        AnswerReader reader = new(new ChatOutputParser(ToolCallFormat.DeepSeekR1, false, Tools), leavesReasoningOut: true);
        FunctionCallContent call = Assert.IsType<FunctionCallContent>(Assert.Single(Read(reader, Text, 7)));
        Assert.NotNull(call.Exception);
        Assert.True(reader.EndsInCalls(stopString: null));
    }

    /// <summary>Whoever invokes functions takes a finish reason of calls for leave to do so.</summary>
    [Fact]
    public void ACallThatAStopStringHasCutIsNotToBeMade()
    {
        AnswerReader reader = new(new ChatOutputParser(ToolCallFormat.DeepSeekR1, false, Tools), leavesReasoningOut: true);
        Read(reader, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": ", 7);
        Assert.False(reader.EndsInCalls(stopString: "Rome"));
        Assert.True(reader.EndsInCalls(stopString: null));
    }

    private static List<AIContent> Read(AnswerReader reader, string text, int size)
    {
        List<AIContent> contents = [];
        for (int at = 0; at < text.Length; at += size)
        {
            contents.AddRange(reader.Read(text[at..Math.Min(at + size, text.Length)], last: false));
        }

        contents.AddRange(reader.Read("", last: true));
        return contents;
    }
}
