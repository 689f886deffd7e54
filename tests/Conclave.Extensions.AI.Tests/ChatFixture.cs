using Conclave.Checkpoints;
using Conclave.Engine;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Testing;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>A client over fable, or over fable with another chat template.</summary>
public class ChatFixture : IDisposable
{
    public ChatFixture()
        : this(Repository.Fable)
    {
    }

    protected ChatFixture(string directory)
    {
        Model = LoadedModel.Open(directory, new LoadOptions
        {
            Contexts = 16,
            Divide = (config, kernels, team, options) => options with { Experts = PausedExperts(config, kernels, team, () => StepPause) },
        });
        Engine = new InferenceEngine(Model, new EngineOptions { MaxRunning = 16 });
        Client = new ConclaveChatClient(Model, Engine);
    }

    public LoadedModel Model { get; }

    public InferenceEngine Engine { get; }

    public ConclaveChatClient Client { get; }

    /// <summary>What each step waits for: fable fills its context in less than a second, before one who leaves is noticed on a busy machine.</summary>
    public TimeSpan StepPause { get; set; }

    /// <summary>All experts of a model, each step of which waits first.</summary>
    public static ExpertPartition PausedExperts(ModelConfig config, KernelSet kernels, WorkerTeam team, Func<TimeSpan> pause) => new(
        new LocalExchange(config.RoutedExperts, config.ExpertsPerToken, kernels, team),
        _ => [.. Enumerable.Range(0, config.RoutedExperts)],
        (_, _) => Thread.Sleep(pause()));

    /// <summary>All updates of an answer.</summary>
    public async Task<List<ChatResponseUpdate>> StreamAsync(IEnumerable<ChatMessage> messages, ChatOptions options)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in Client.GetStreamingResponseAsync(messages, options, TestContext.Current.CancellationToken))
        {
            updates.Add(update);
        }

        return updates;
    }

    /// <summary>The tokens that a request to the engine gives, without any client.</summary>
    public async Task<List<int>> TokensAsync(GenerationRequest request)
    {
        List<int> tokens = [];
        await foreach (GenerationUpdate update in Engine.Submit(request).ReadAllAsync(TestContext.Current.CancellationToken))
        {
            tokens.AddRange(update.Token is { } token ? [token] : []);
        }

        return tokens;
    }

    public async Task WaitUntilIdleAsync()
    {
        for (int attempt = 0; Engine.Status is not { Running: 0, Waiting: 0, UsedBlocks: 0 }; attempt++)
        {
            Assert.True(attempt < 500, $"{Engine.Status}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public virtual void Dispose()
    {
        Client.Dispose();
        Engine.Dispose();
        Model.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Fable with a template that tells of tools, writes Kimi K2's calls and opens the reasoning where it is asked to think.</summary>
public sealed class ThinkingFixture : ChatFixture
{
    private const string Template =
        """
        {{- bos_token -}}{%- if tools -%}{{- tools | tojson -}}{%- endif -%}
        {%- for message in messages -%}
          <｜User｜>[{{ message.role }}] {{ message.content or '' }}{{ message.reasoning_content or '' }}
          {%- for call in message.tool_calls or [] -%}
            <|tool_calls_section_begin|><|tool_call_begin|>{{ call.id }}<|tool_call_argument_begin|>{{ call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}<|tool_call_end|><|tool_calls_section_end|>
          {%- endfor -%}
        {%- endfor -%}
        {%- if add_generation_prompt -%}<｜Assistant｜>{{ '<think>' if thinking and enable_thinking else '</think>' }}{%- endif -%}
        """;

    private readonly TemporaryFolder _folder;

    public ThinkingFixture()
        : this(new TemporaryFolder())
    {
    }

    private ThinkingFixture(TemporaryFolder folder)
        : base(Fill(folder)) => _folder = folder;

    public override void Dispose()
    {
        base.Dispose();
        _folder.Dispose();
    }

    private static string Fill(TemporaryFolder folder)
    {
        foreach (string name in (string[])["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"])
        {
            File.Copy(Path.Combine(Repository.Fable, name), folder.File(name));
        }

        folder.Write("tokenizer_config.json", """{"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}""");
        folder.Write("chat_template.jinja", Template);
        return folder.Path;
    }
}
