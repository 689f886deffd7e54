using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Conclave.Engine;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Text in and out of the client, against the engine itself.</summary>
public sealed class ChatClientTests(ChatFixture chat) : IClassFixture<ChatFixture>
{
    private const string Question = "Tell me a story about a fox.";
    private static readonly ChatMessage[] Messages = [new(ChatRole.System, "You tell tales."), new(ChatRole.User, Question)];

    private static readonly Dictionary<string, (ChatOptions Options, Func<SamplingOptions, SamplingOptions> Same)> Cases = new()
    {
        ["greedy"] = (new() { Temperature = 0, MaxOutputTokens = 40 }, sampling => sampling with { Temperature = 0, MaxTokens = 40 }),
        ["suggested"] = (new() { Seed = 11, MaxOutputTokens = 60 }, sampling => sampling with { Seed = 11, MaxTokens = 60 }),
        ["top_p and top_k"] = (
            new() { Seed = 12, MaxOutputTokens = 60, Temperature = 1.3f, TopP = 0.7f, TopK = 20 },
            sampling => sampling with { Seed = 12, MaxTokens = 60, Temperature = 1.3, TopP = 0.7, TopK = 20 }),
        ["penalties"] = (
            new() { Seed = 13, MaxOutputTokens = 60, PresencePenalty = 0.6f, FrequencyPenalty = 0.9f },
            sampling => sampling with { Seed = 13, MaxTokens = 60, PresencePenalty = 0.6, FrequencyPenalty = 0.9 }),
        ["the engine's own options below"] = (
            new() { MaxOutputTokens = 60, RawRepresentationFactory = _ => new SamplingOptions { Seed = 14, MinP = 0.2, Temperature = 2, MaxTokens = 5 } },
            _ => new SamplingOptions { Seed = 14, MinP = 0.2, Temperature = 2, MaxTokens = 60 }),
    };

    public static TheoryData<string> CaseNames => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(CaseNames))]
    public async Task TokensAreThoseOfTheEngine(string name)
    {
        (ChatOptions options, Func<SamplingOptions, SamplingOptions> same) = Cases[name];
        List<int> prompt = [];
        chat.Model.Tokenizer.Encode($"<｜begin▁of▁sentence｜>You tell tales.<｜User｜>{Question}<｜Assistant｜>", prompt, addSpecialTokens: false);
        List<int> expected = await chat.TokensAsync(new GenerationRequest { Prompt = prompt, Sampling = same(chat.Model.SuggestedSampling) });
        List<ChatResponseUpdate> updates = await chat.StreamAsync(Messages, options);
        Assert.Equal(expected, updates.Select(update => ((GenerationUpdate)update.RawRepresentation!).Token).OfType<int>());
        UsageDetails usage = updates.ToChatResponse().Usage!;
        Assert.Equal((prompt.Count, expected.Count, prompt.Count + expected.Count), (usage.InputTokenCount, usage.OutputTokenCount, usage.TotalTokenCount));
        Assert.Equal(expected.Count == options.MaxOutputTokens ? ChatFinishReason.Length : ChatFinishReason.Stop, updates[^1].FinishReason);
    }

    [Fact]
    public async Task AWholeAnswerIsWhatIsStreamed()
    {
        ChatOptions options = new() { Seed = 3, MaxOutputTokens = 200 };
        ChatResponse whole = await chat.Client.GetResponseAsync(Question, options, TestContext.Current.CancellationToken);
        List<ChatResponseUpdate> updates = await chat.StreamAsync([new ChatMessage(ChatRole.User, Question)], options);
        ChatMessage message = Assert.Single(whole.Messages);
        Assert.Equal(ChatRole.Assistant, message.Role);
        Assert.Equal("fable", whole.ModelId);
        Assert.Equal(updates[^1].FinishReason, whole.FinishReason);
        Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason));
        Assert.Single(updates.Select(update => update.MessageId).Distinct());
        Assert.Equal(updates.ToChatResponse().Usage!.OutputTokenCount, whole.Usage!.OutputTokenCount);
        string reasoning = Assert.Single(message.Contents.OfType<TextReasoningContent>()).Text;
        Assert.StartsWith("A tale with", reasoning, StringComparison.Ordinal);
        Assert.IsType<TextReasoningContent>(message.Contents[0]);
        Assert.NotEmpty(whole.Text);
        Assert.DoesNotContain("think>", reasoning, StringComparison.Ordinal);
        Assert.Equal(whole.Text, string.Concat(updates.Select(update => update.Text)));
        Assert.Equal(reasoning, string.Concat(updates.SelectMany(update => update.Contents).OfType<TextReasoningContent>().Select(content => content.Text)));
        Assert.True(updates.Count(update => update.Text.Length > 0) > 50, "it is streamed");
        options.Reasoning = new ReasoningOptions { Output = ReasoningOutput.None };
        whole = await chat.Client.GetResponseAsync(Question, options, TestContext.Current.CancellationToken);
        Assert.Equal(string.Concat(updates.Select(update => update.Text)), ((TextContent)Assert.Single(whole.Messages[0].Contents)).Text);
    }

    [Fact]
    public async Task AStopSequenceEndsTheAnswerBeforeIt()
    {
        ChatOptions options = new() { Seed = 3, MaxOutputTokens = 200 };
        string text = (await chat.Client.GetResponseAsync(Question, options, TestContext.Current.CancellationToken)).Text;
        string stop = text[20..24];
        options.StopSequences = [stop];
        ChatResponse stopped = await chat.Client.GetResponseAsync(Question, options, TestContext.Current.CancellationToken);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
    }

    [Fact]
    public async Task RequestsAtTheSameTimeGiveWhatTheyGiveAlone()
    {
        async Task<string> AskAsync(int seed)
        {
            ChatOptions options = new() { Seed = seed, MaxOutputTokens = 50, Instructions = $"Tale {seed}." };
            return (await chat.Client.GetResponseAsync(Question, options, TestContext.Current.CancellationToken)).ToString() ?? "";
        }

        List<string> alone = [];
        for (int seed = 0; seed < 8; seed++)
        {
            alone.Add(await AskAsync(seed));
        }

        Assert.Equal(8, alone.Distinct().Count());
        Assert.Equal(alone, await Task.WhenAll(Enumerable.Range(0, 8).Select(AskAsync)));
    }

    /// <summary>By its id a response is found in traces.</summary>
    [Fact]
    public async Task TheTraceHasTheResponsesId()
    {
        using Activity caller = new Activity("asking").Start();
        ConcurrentQueue<Activity> ended = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == InferenceEngine.ActivitySourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        ChatResponse response = await chat.Client.GetResponseAsync(Question, new ChatOptions { MaxOutputTokens = 3 }, TestContext.Current.CancellationToken);
        Activity request = Assert.Single(ended, activity => activity.TraceId == caller.TraceId);
        Assert.NotNull(response.ResponseId);
        Assert.Equal(response.ResponseId, request.GetTagItem("gen_ai.response.id"));
    }

    [Fact]
    public async Task WhoLeavesOrCancelsFreesTheEngine()
    {
        ChatOptions endless = new() { RawRepresentationFactory = _ => new SamplingOptions { IgnoreEos = true } };
        using Activity caller = new Activity("leaving").Start();
        Channel<Activity> ended = Channel.CreateUnbounded<Activity>();
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == InferenceEngine.ActivitySourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => _ = activity.TraceId == caller.TraceId && ended.Writer.TryWrite(activity),
        };
        ActivitySource.AddActivityListener(listener);

        // The 1000 tokens that the context holds take 50 seconds.
        chat.StepPause = TimeSpan.FromMilliseconds(50);
        try
        {
            await foreach (ChatResponseUpdate update in chat.Client.GetStreamingResponseAsync(Question, endless, TestContext.Current.CancellationToken))
            {
                if (update.Text.Length > 0)
                {
                    break;
                }
            }

            await CheckCancelledAsync();
            using CancellationTokenSource cancel = new();
            int updates = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (ChatResponseUpdate update in chat.Client.GetStreamingResponseAsync(Question, endless, cancel.Token))
                {
                    if (++updates == 3)
                    {
                        await cancel.CancelAsync();
                    }
                }
            });
            Assert.InRange(updates, 3, 500);
            await CheckCancelledAsync();
            using CancellationTokenSource soon = new();
            Task<ChatResponse> whole = chat.Client.GetResponseAsync(Question, endless, soon.Token);
            await soon.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => whole);
            await CheckCancelledAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => chat.Client.GetResponseAsync(Question, endless, soon.Token));
        }
        finally
        {
            chat.StepPause = TimeSpan.Zero;
        }

        async Task CheckCancelledAsync()
        {
            Activity request = await ended.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal(["abort"], (string[])request.GetTagItem("gen_ai.response.finish_reasons")!);
            Assert.InRange((int)request.GetTagItem("gen_ai.usage.output_tokens")!, 0, 500);
            await chat.WaitUntilIdleAsync();
        }
    }

    [Fact]
    public void ServicesAreWhatItIsMadeOf()
    {
        Assert.Same(chat.Engine, chat.Client.GetService<InferenceEngine>());
        Assert.Same(chat.Model, chat.Client.GetService<LoadedModel>());
        Assert.Same(chat.Client, chat.Client.GetService<IChatClient>());
        ChatClientMetadata metadata = chat.Client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("conclave", "fable"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Null(chat.Client.GetService<HttpClient>());
        Assert.Null(chat.Client.GetService<ChatClientMetadata>("a key"));
    }

    [Fact]
    public async Task WhatCannotBeUsedIsRefusedByName()
    {
        async Task RefuseAsync(string part, ChatOptions? options = null, params ChatMessage[] messages)
        {
            ChatMessage[] sent = messages.Length > 0 ? messages : Messages;
            UserErrorException error = await Assert.ThrowsAsync<UserErrorException>(
                () => chat.Client.GetResponseAsync(sent, options, TestContext.Current.CancellationToken));
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }

        await RefuseAsync("temperature: -1", new ChatOptions { Temperature = -1 });
        await RefuseAsync("max_tokens: 0", new ChatOptions { MaxOutputTokens = 0 });
        await RefuseAsync("'gpt' is asked for", new ChatOptions { ModelId = "gpt" });
        await RefuseAsync("HostedWebSearchTool", new ChatOptions { Tools = [new HostedWebSearchTool()] });
        await RefuseAsync("there are no tools", new ChatOptions { ToolMode = ChatToolMode.RequireAny });
        await RefuseAsync("DataContent", null, new ChatMessage(ChatRole.User, [new DataContent(new byte[4], "image/png")]));
        await RefuseAsync("Unknown role: oracle", null, new ChatMessage(new ChatRole("oracle"), "x"));
        UserErrorException empty = await Assert.ThrowsAsync<UserErrorException>(() => chat.Client.GetResponseAsync([], null, TestContext.Current.CancellationToken));
        Assert.Contains("at least one message", empty.Message, StringComparison.Ordinal);
        await chat.WaitUntilIdleAsync();
    }
}
