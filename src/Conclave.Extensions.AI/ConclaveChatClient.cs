using System.Runtime.CompilerServices;
using Conclave.Engine;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI;

/// <summary>
/// Chats with a model that an <see cref="InferenceEngine"/> computes in this process. Any number of requests may run at a time: the engine batches them.
/// <list type="bullet">
/// <item>What <see cref="ChatOptions"/> leave open is as the model's authors suggest (<see cref="LoadedModel.SuggestedSampling"/>). A <see cref="SamplingOptions"/> from
/// <see cref="ChatOptions.RawRepresentationFactory"/> takes the suggestions' place: it has what <see cref="ChatOptions"/> lack, such as min_p and logit_bias.</item>
/// <item>Reasoning comes as <see cref="TextReasoningContent"/> before the answer. <see cref="ChatOptions.Reasoning"/> tells templates that ask for it whether to think.</item>
/// <item>Tools are <see cref="AIFunctionDeclaration"/>s; calls come as <see cref="FunctionCallContent"/> when they are complete and are not invoked here: see
/// FunctionInvokingChatClient of Microsoft.Extensions.AI. Where <see cref="ChatOptions.ToolMode"/> requires a call, a grammar forces one with arguments that its schema allows;
/// where the model decides, calls of functions with <c>AdditionalProperties["strict"]</c> have such arguments, and there is one call at most where
/// <see cref="ChatOptions.AllowMultipleToolCalls"/> is false; in the same way <see cref="ChatOptions.ResponseFormat"/> forces JSON. A schema that cannot be kept
/// is refused where <c>AdditionalProperties["strict"]</c> of the options is true, else any value of its type is an answer.</item>
/// <item>There is an update for each token, and one at the end with the <see cref="UsageContent"/>; the <see cref="GenerationUpdate"/> is its raw representation.</item>
/// </list>
/// </summary>
/// <example>
/// <code>
/// using LoadedModel model = LoadedModel.Open("models/fable", new LoadOptions());
/// using InferenceEngine engine = new(model, new EngineOptions());
/// using ConclaveChatClient client = new(model, engine);
/// await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Tell me a story about a fox."))
/// {
///     Console.Write(update.Text);
/// }
/// </code>
/// </example>
public sealed class ConclaveChatClient : IChatClient
{
    private readonly LoadedModel _model;
    private readonly InferenceEngine _engine;
    private readonly ChatPrompt _chat;
    private readonly ChatClientMetadata _metadata;

    /// <summary>Wraps an engine.</summary>
    /// <param name="model">The model that the engine computes; it must outlive the client.</param>
    /// <param name="engine">The engine; it must outlive the client.</param>
    /// <exception cref="UserErrorException">The model has no chat template.</exception>
    public ConclaveChatClient(LoadedModel model, InferenceEngine engine)
    {
        _model = model;
        _engine = engine;
        _chat = model.Chat ?? throw new UserErrorException($"{model.Name}: no chat template (tokenizer_config.json or chat_template.jinja); it cannot chat");
        _metadata = new ChatClientMetadata("conclave", defaultModelId: model.Name);
    }

    /// <summary>Generates a message and waits for its end.</summary>
    /// <param name="messages">The conversation: texts, reasoning, calls and results of tools.</param>
    /// <param name="options">How; null: as the model's authors suggest.</param>
    /// <param name="cancellationToken">Cancels the generation.</param>
    /// <exception cref="UserErrorException">A message or an option cannot be used, or the prompt does not fit the context.</exception>
    /// <exception cref="EngineUnavailableException">The engine takes no request now, or stopped before the end.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <summary>Generates a message, token by token. Leaving early cancels the generation.</summary>
    /// <inheritdoc cref="GetResponseAsync"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync(messages, options, cancellationToken);
    }

    /// <summary>The <see cref="ChatClientMetadata"/>, the <see cref="InferenceEngine"/> or the <see cref="LoadedModel"/>.</summary>
    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object[] services = [this, _metadata, _engine, _model];
        return serviceKey is null ? services.FirstOrDefault(serviceType.IsInstanceOfType) : null;
    }

    /// <summary>Does nothing: engine and model belong to whoever made them.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        OptionsReader reader = new(options, _model.Name);
        ChatRequest request = new(_chat, MessageReader.Read(messages, options?.Instructions), reader.Tools, reader.TemplateArguments);
        SamplingOptions suggested = options?.RawRepresentationFactory?.Invoke(this) as SamplingOptions ?? _model.SuggestedSampling;
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        Generation generation = _engine.Submit(request.ToGeneration(reader.Sampling(suggested), reader.ResponseFormat, _engine.Grammars) with { ResponseId = id });
        AnswerReader answer = new(request.CreateParser(), reader.LeavesReasoningOut);
        DateTimeOffset created = DateTimeOffset.UtcNow;
        int tokens = 0;
        await foreach (GenerationUpdate update in generation.ReadAllAsync(cancellation).ConfigureAwait(false))
        {
            tokens += update.Generated;
            List<AIContent> contents = answer.Read(update.Text, last: update.Finish is not null);
            if (update.Finish is not null)
            {
                contents.Add(new UsageContent(new UsageDetails
                {
                    InputTokenCount = generation.Request.Prompt.Count,
                    CachedInputTokenCount = generation.ReusedTokens,
                    OutputTokenCount = tokens,
                    ReasoningTokenCount = answer.ReasoningTokens,
                    TotalTokenCount = generation.Request.Prompt.Count + tokens,
                }));
            }

            yield return new ChatResponseUpdate(ChatRole.Assistant, contents)
            {
                ResponseId = id,
                MessageId = id,
                CreatedAt = created,
                ModelId = _model.Name,
                FinishReason = Word(update.Finish, answer.EndsInCalls(update.StopString)),
                RawRepresentation = update,
            };
        }
    }

    private static ChatFinishReason? Word(FinishReason? finish, bool endsInCalls) => finish switch
    {
        null => null,
        FinishReason.Stop => endsInCalls ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop,
        FinishReason.Length => ChatFinishReason.Length,
        { } other => new ChatFinishReason(FinishReasons.Word(other)),
    };
}
