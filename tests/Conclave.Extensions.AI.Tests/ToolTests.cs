using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Tools, JSON and reasoning: what grammars force and parsers read.</summary>
public sealed class ToolTests(ChatFixture chat, ThinkingFixture thinking) : IClassFixture<ChatFixture>, IClassFixture<ThinkingFixture>
{
    private const string Question = "How warm is it in Rome?";
    private static readonly ChatMessage[] Messages = [new(ChatRole.User, Question)];

    private enum Unit
    {
        Celsius,
        Fahrenheit,
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task ARequiredToolIsCalledWithArgumentsThatItTakes(bool named, bool kimi)
    {
        ChatFixture one = kimi ? thinking : chat;
        ChatOptions options = new()
        {
            Seed = 1,
            Tools = [AIFunctionFactory.Create(Weather, "get_weather"), AIFunctionFactory.Create(() => "noon", "tell_time")],
            ToolMode = named ? ChatToolMode.RequireSpecific("get_weather") : ChatToolMode.RequireAny,
            AllowMultipleToolCalls = false,
        };
        if (kimi)
        {
            // What fable knows not to say behind the other template, it would think about until the context is full.
            Assert.True(one.Model.Tokenizer.TryGetId("</think>", out int close));
            options.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High };
            options.RawRepresentationFactory = _ => new SamplingOptions { LogitBias = new Dictionary<int, double> { [close] = 100 } };
        }

        ChatResponse answer = await one.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken);
        Assert.Equal(ChatFinishReason.ToolCalls, answer.FinishReason);
        FunctionCallContent call = Assert.Single(answer.Messages[0].Contents.OfType<FunctionCallContent>());
        Assert.Null(call.Exception);
        Assert.Empty(answer.Text);
        Assert.StartsWith(kimi ? $"functions.{call.Name}:" : "call_", call.CallId, StringComparison.Ordinal);
        Assert.True(call.Name == "get_weather" || (!named && call.Name == "tell_time"), call.Name);
        if (call.Name == "get_weather")
        {
            Assert.Contains(((JsonElement)call.Arguments!["unit"]!).GetString(), Enum.GetNames<Unit>());
            Assert.InRange(((JsonElement)call.Arguments["days"]!).GetInt32(), 1, 7);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AStrictFunctionIsCalledWithArgumentsThatItTakes(bool ofTheRequest)
    {
        Dictionary<string, object?> strict = new() { ["strict"] = true };
        Assert.True(chat.Model.Tokenizer.TryGetId("<｜tool▁calls▁begin｜>", out int marker));
        ChatOptions options = new()
        {
            Tools = [AIFunctionFactory.Create(Weather, new AIFunctionFactoryOptions { Name = "get_weather", AdditionalProperties = ofTheRequest ? null : strict })],
            AdditionalProperties = ofTheRequest ? new AdditionalPropertiesDictionary(strict) : null,
            AllowMultipleToolCalls = false,
            RawRepresentationFactory = _ => chat.Model.SuggestedSampling with { Seed = 1, LogitBias = new Dictionary<int, double> { [marker] = 100 } },
        };
        ChatResponse answer = await chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken);
        Assert.Equal(ChatFinishReason.ToolCalls, answer.FinishReason);
        FunctionCallContent call = Assert.Single(answer.Messages[0].Contents.OfType<FunctionCallContent>());
        Assert.Contains(((JsonElement)call.Arguments!["unit"]!).GetString(), Enum.GetNames<Unit>());
        Assert.InRange(((JsonElement)call.Arguments["days"]!).GetInt32(), 1, 7);
    }

    [Theory]
    [InlineData("get weather")]
    [InlineData("a\nb")]
    public async Task ANameThatNoParserReadsIsRefused(string name)
    {
        ChatOptions options = new() { Tools = [AIFunctionFactory.Create(() => "noon", new AIFunctionFactoryOptions { Name = name })] };
        UserErrorException error = await Assert.ThrowsAsync<UserErrorException>(() => chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken));
        Assert.Contains($"'{name}' cannot be called", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FunctionsAreInvokedAndTheirResultsGoOnAsAConversation()
    {
        List<(int Days, Unit Unit)> calls = [];
        using IChatClient client = chat.Client.AsBuilder().UseFunctionInvocation().Build();
        AIFunction function = AIFunctionFactory.Create(
            ([Range(1, 7)] int days, Unit unit) =>
            {
                calls.Add((days, unit));
                return new { degrees = 31 };
            },
            "get_weather");
        ChatOptions options = new()
        {
            Seed = 1, MaxOutputTokens = 200, Tools = [function], ToolMode = ChatToolMode.RequireAny, AllowMultipleToolCalls = false,
        };
        ChatResponse answer = await client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken);
        Assert.InRange(Assert.Single(calls).Days, 1, 7);
        Assert.Equal([ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], answer.Messages.Select(message => message.Role));

        // The second answer is that of the engine to the whole conversation, whose calls and results a client of the API would send so.
        FunctionCallContent call = answer.Messages[0].Contents.OfType<FunctionCallContent>().Single();
        string prompt = $"<｜begin▁of▁sentence｜><｜User｜>{Question}<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
            + $"{JsonSerializer.Serialize(call.Arguments).Replace(",", ", ", StringComparison.Ordinal).Replace(":", ": ", StringComparison.Ordinal)}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
            + "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>{\"degrees\":31}<｜tool▁output▁end｜><｜tool▁outputs▁end｜><｜Assistant｜>";
        List<int> ids = [];
        chat.Model.Tokenizer.Encode(prompt, ids, addSpecialTokens: false);
        SamplingOptions sampling = chat.Model.SuggestedSampling with { Seed = 1, MaxTokens = 200 };
        List<int> expected = await chat.TokensAsync(new GenerationRequest { Prompt = ids, Sampling = sampling });
        List<ChatResponseUpdate> last = await chat.StreamAsync(
            [.. Messages, .. answer.Messages.Take(2)], new ChatOptions { Seed = 1, MaxOutputTokens = 200, Tools = options.Tools });
        Assert.Equal(expected, last.Select(update => ((GenerationUpdate)update.RawRepresentation!).Token).OfType<int>());
        Assert.Equal(last.ToChatResponse().Text, answer.Messages[2].Text);
    }

    [Fact]
    public async Task TheTemplateIsToldOfToolsAndWhetherToThink()
    {
        AIFunction function = AIFunctionFactory.Create(() => "noon", "tell_time", "Tells the time.");

        // With this template's format the members of definitions are sorted.
        const string Tools = """[{"function": {"description": "Tells the time.", "name": "tell_time", "parameters": {"properties": {}, "type": "object"}}, "type": "function"}]""";
        foreach ((ReasoningEffort? effort, ChatToolMode mode) in ((ReasoningEffort?, ChatToolMode)[])[
            (ReasoningEffort.High, ChatToolMode.Auto), (ReasoningEffort.None, ChatToolMode.Auto), (null, ChatToolMode.None)])
        {
            bool thinks = effort is ReasoningEffort.High;
            string prompt = $"<｜begin▁of▁sentence｜>{(mode == ChatToolMode.None ? "" : Tools)}<｜User｜>[user] {Question}<｜Assistant｜>{(thinks ? "<think>" : "</think>")}";
            List<int> ids = [];
            thinking.Model.Tokenizer.Encode(prompt, ids, addSpecialTokens: false);
            List<int> expected = await thinking.TokensAsync(
                new GenerationRequest { Prompt = ids, Sampling = thinking.Model.SuggestedSampling with { Seed = 5, MaxTokens = 30 } });
            ChatOptions options = new() { Seed = 5, MaxOutputTokens = 30, Tools = [function], ToolMode = mode };
            options.Reasoning = effort is null ? null : new ReasoningOptions { Effort = effort };
            List<ChatResponseUpdate> updates = await thinking.StreamAsync(Messages, options);
            Assert.Equal(ids.Count, updates.ToChatResponse().Usage!.InputTokenCount);
            Assert.Equal(expected, updates.Select(update => ((GenerationUpdate)update.RawRepresentation!).Token).OfType<int>());
            AIContent first = updates.SelectMany(update => update.Contents).First();
            Assert.Equal(thinks, first is TextReasoningContent);
        }
    }

    [Fact]
    public async Task JsonIsWhatItsSchemaAllowsBehindReasoning()
    {
        ChatOptions options = new() { ResponseFormat = ChatResponseFormat.ForJsonSchema<Tale>() };
        for (int seed = 0; seed < 4; seed++)
        {
            options.Seed = seed;
            ChatResponse answer = await chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken);
            Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
            Tale tale = JsonSerializer.Deserialize<Tale>(answer.Text, JsonSerializerOptions.Web)!;
            Assert.InRange(tale.Foxes, 0, 9);
            Assert.InRange(tale.Title.Length, 1, 20);
        }

        options.ResponseFormat = ChatResponseFormat.Json;
        options.MaxOutputTokens = 100;
        string text = (await chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken)).Text;
        Assert.StartsWith("{", text, StringComparison.Ordinal);
    }

    /// <summary>Strict is said where Microsoft.Extensions.AI.OpenAI looks for it.</summary>
    [Fact]
    public async Task ASchemaThatCannotBeKeptIsRefusedWhereItIsStrict()
    {
        ChatOptions options = new() { MaxOutputTokens = 100, ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"array","uniqueItems":true}""")) };
        string text = (await chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken)).Text;
        Assert.StartsWith("[", text, StringComparison.Ordinal);
        options.AdditionalProperties = new() { ["strict"] = true };
        UserErrorException error = await Assert.ThrowsAsync<UserErrorException>(() => chat.Client.GetResponseAsync(Messages, options, TestContext.Current.CancellationToken));
        Assert.Contains("uniqueItems", error.Message, StringComparison.Ordinal);
    }

    private static int Weather([Range(1, 7)] int days, Unit unit) => unit == Unit.Celsius ? 20 + days : 70 + days;

    private sealed record Tale([property: RegularExpression("^[A-Za-z ]{1,20}$")] string Title, [property: Range(0, 9)] int Foxes);
}
