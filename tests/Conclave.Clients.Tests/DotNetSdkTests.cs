using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Conclave.Clients.Tests;

/// <summary>The official OpenAI SDK for .NET against serve.</summary>
public sealed class DotNetSdkTests(ServeFixture server) : IClassFixture<ServeFixture>
{
    private const string WeatherSchema =
        """{"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z][a-z]{0,11}$"}, "unit": {"enum": ["c", "f"]}}, "required": ["city", "unit"], "additionalProperties": false}""";

    private static readonly ChatMessage[] Story = [new SystemChatMessage("You tell tales."), new UserChatMessage("Tell me a story about a fox.")];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ChatAndStreamingGiveTheSameText()
    {
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 160, Seed = 7, Temperature = 0.8f };
        ChatCompletion whole = await Chat().CompleteChatAsync(Story, options, Stop);
        Assert.True(whole.Content[0].Text.Length > 50);
        Assert.Equal(whole.Usage.TotalTokenCount, whole.Usage.InputTokenCount + whole.Usage.OutputTokenCount);
        StringBuilder text = new();
        ChatFinishReason? finish = null;
        int tokens = 0;
        int updates = 0;
        await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync(Story, options, Stop))
        {
            updates++;
            finish = update.FinishReason ?? finish;
            tokens = update.Usage?.OutputTokenCount ?? tokens;
            foreach (ChatMessageContentPart part in update.ContentUpdate)
            {
                text.Append(part.Text);
            }
        }

        Assert.Equal(whole.Content[0].Text, text.ToString());
        Assert.Equal(whole.FinishReason, finish);
        Assert.Equal(whole.Usage.OutputTokenCount, tokens);
        Assert.True(updates > 50);
    }

    [Fact]
    public async Task AForcedToolIsCalledAndItsResultIsTaken()
    {
        ChatTool weather = ChatTool.CreateFunctionTool("get_weather", "The weather in a city", BinaryData.FromString(WeatherSchema), functionSchemaIsStrict: true);
        ChatCompletionOptions options = new() { Seed = 1, MaxOutputTokenCount = 400, ToolChoice = ChatToolChoice.CreateFunctionChoice("get_weather"), AllowParallelToolCalls = false };
        options.Tools.Add(weather);
        List<ChatMessage> messages = [new UserChatMessage("How warm is it in Rome?")];
        ChatCompletion call = await Chat().CompleteChatAsync(messages, options, Stop);
        Assert.Equal(ChatFinishReason.ToolCalls, call.FinishReason);
        ChatToolCall tool = Assert.Single(call.ToolCalls);
        CheckWeather(tool.FunctionName, tool.FunctionArguments.ToString());

        StringBuilder streamed = new();
        await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync(messages, options, Stop))
        {
            foreach (StreamingChatToolCallUpdate piece in update.ToolCallUpdates)
            {
                streamed.Append(piece.FunctionArgumentsUpdate);
            }
        }

        Assert.Equal(tool.FunctionArguments.ToString(), streamed.ToString());
        messages.Add(new AssistantChatMessage(call));
        messages.Add(new ToolChatMessage(tool.Id, "31 degrees"));
        ChatCompletionOptions free = new() { MaxOutputTokenCount = 10 };
        free.Tools.Add(weather);
        ChatCompletion answer = await Chat().CompleteChatAsync(messages, free, Stop);
        Assert.True(answer.Usage.InputTokenCount > call.Usage.InputTokenCount);
    }

    [Fact]
    public async Task AJsonSchemaIsObeyed()
    {
        ChatCompletionOptions options = new()
        {
            Seed = 2,
            MaxOutputTokenCount = 700,
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("weather", BinaryData.FromString(WeatherSchema), jsonSchemaIsStrict: true),
        };
        ChatCompletion answer = await Chat().CompleteChatAsync(Story, options, Stop);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        CheckWeather("get_weather", answer.Content[0].Text);
    }

    [Fact]
    public async Task LogprobsAndStopStringsArrive()
    {
        ChatCompletionOptions options = new() { Seed = 3, MaxOutputTokenCount = 80, IncludeLogProbabilities = true, TopLogProbabilityCount = 2, Temperature = 0 };
        ChatCompletion answer = await Chat().CompleteChatAsync(Story, options, Stop);
        Assert.Equal(answer.Usage.OutputTokenCount, answer.ContentTokenLogProbabilities.Count);
        Assert.All(answer.ContentTokenLogProbabilities, token => Assert.Equal(2, token.TopLogProbabilities.Count));
        Assert.All(answer.ContentTokenLogProbabilities, token => Assert.Equal(token.LogProbability, token.TopLogProbabilities[0].LogProbability));
        string text = answer.Content[0].Text;
        string stop = text[20..24];
        options.StopSequences.Add(stop);
        ChatCompletion stopped = await Chat().CompleteChatAsync(Story, options, Stop);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], stopped.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.Equal(stopped.Usage.OutputTokenCount, stopped.ContentTokenLogProbabilities.Count);
        options.LogitBiases[1] = 100;
        ChatCompletion ended = await Chat().CompleteChatAsync(Story, options, Stop);
        Assert.Equal(ended.Usage.OutputTokenCount, ended.ContentTokenLogProbabilities.Count);
        Assert.Equal("<｜end▁of▁sentence｜>", ended.ContentTokenLogProbabilities[^1].Token);
    }

    [Fact]
    public async Task ErrorsAreTheSdksOwn()
    {
        async Task FailsAsync(int status, Func<Task> call) => Assert.Equal(status, (await Assert.ThrowsAsync<ClientResultException>(call)).Status);
        await FailsAsync(401, () => Chat(key: "wrong").CompleteChatAsync(Story, null, Stop));
        await FailsAsync(404, () => Chat(model: "gpt-5").CompleteChatAsync(Story, null, Stop));
        await FailsAsync(400, () => Chat().CompleteChatAsync(Story, new ChatCompletionOptions { MaxOutputTokenCount = 100_000 }, Stop));
        await FailsAsync(400, () => Chat().CompleteChatAsync(Story, new ChatCompletionOptions { Temperature = -1 }, Stop));
        await FailsAsync(404, () => Client().GetEmbeddingClient("fable").GenerateEmbeddingAsync("x", null, Stop));
    }

    [Fact]
    public async Task LeavingAStreamCancelsIt()
    {
        // So many at a time that they take much longer than it takes to leave.
        const int Answers = 32;
        int aborted = await server.EndedAsync("abort", Stop);
        int complete = await server.EndedAsync("length", Stop);
        using CancellationTokenSource cancel = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            ChatCompletionOptions options = new() { MaxOutputTokenCount = 900 };
            options.Patch.Set("$.ignore_eos"u8, true);
            options.Patch.Set("$.n"u8, Answers);
            await foreach (StreamingChatCompletionUpdate _ in Chat().CompleteChatStreamingAsync(Story, options, cancel.Token))
            {
                await cancel.CancelAsync();
            }
        });

        // What /metrics says may be 0.3 s old.
        for (int attempt = 0; await server.EndedAsync("abort", Stop) < aborted + Answers; attempt++)
        {
            Assert.True(attempt < 300, "the answers go on");
            await Task.Delay(50, Stop);
        }

        await server.WaitUntilIdleAsync(Stop);
        Assert.Equal(complete, await server.EndedAsync("length", Stop));
    }

    [Fact]
    public async Task TheModelIsListed()
    {
        OpenAIModelCollection models = await Client().GetOpenAIModelClient().GetModelsAsync(Stop);
        Assert.Equal("fable", Assert.Single(models).Id);
    }

    private static void CheckWeather(string name, string arguments)
    {
        Assert.Equal("get_weather", name);
        using JsonDocument document = JsonDocument.Parse(arguments);
        Assert.Equal(["city", "unit"], document.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Matches("^[A-Z][a-z]{0,11}$", document.RootElement.GetProperty("city").GetString()!);
        Assert.Contains(document.RootElement.GetProperty("unit").GetString(), (string[])["c", "f"]);
    }

    private ChatClient Chat(string model = "fable", string key = ServeFixture.Key) => Client(key).GetChatClient(model);

    private OpenAIClient Client(string key = ServeFixture.Key) => new(
        new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });
}
