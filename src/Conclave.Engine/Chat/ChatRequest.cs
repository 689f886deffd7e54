using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

namespace Conclave.Engine;

/// <summary>A conversation whose next message is asked for: its prompt, what an answer must be, and where in an answer reasoning ends and which tools it calls.</summary>
public sealed class ChatRequest
{
    private static readonly JsonElement AnyArguments = JsonElement.Parse("""{"type":"object"}""");
    private readonly ChatPrompt _chat;
    private readonly ChatTools _tools;
    private readonly ToolCallFormat? _format;
    private readonly ReasoningPosition _position;
    private readonly int _earlierToolCalls;

    /// <summary>Renders a conversation.</summary>
    /// <param name="chat">The model's chat template.</param>
    /// <param name="messages">Messages as OpenAI's API has them; see <see cref="ChatPrompt.Render(JsonArray, JsonArray?, JsonObject?, bool)"/>.</param>
    /// <param name="tools">Which tools may or must be called.</param>
    /// <param name="arguments">More variables for the template; null: none.</param>
    /// <param name="addGenerationPrompt">Goes on to where an answer begins.</param>
    /// <param name="mostTokens">A prompt of more tokens than this is of no use: it need not be encoded to its end.</param>
    /// <param name="cancellation">Stops encoding.</param>
    /// <exception cref="UserErrorException">The template refuses the conversation, or a tool must be called and the model's way of calling is not known.</exception>
    public ChatRequest(
        ChatPrompt chat, JsonArray messages, ChatTools tools, JsonObject? arguments = null, bool addGenerationPrompt = true, int mostTokens = int.MaxValue, CancellationToken cancellation = default)
    {
        if (tools.MustCall && chat.ToolCalls is null)
        {
            throw new UserErrorException("tool_choice: this model's chat template writes no tool calls that are known here; ask for JSON with response_format");
        }

        string text = chat.Render(messages, tools.Definitions, arguments, addGenerationPrompt);
        _chat = chat;
        _tools = tools;
        _format = tools.Tools.Count > 0 ? chat.ToolCalls : null;
        _position = chat.Reasoning.PositionAt(text);
        _earlierToolCalls = messages.OfType<JsonObject>().Sum(message => (message["tool_calls"] as JsonArray)?.Count ?? 0);
        List<int> prompt = [];
        PromptTokens = chat.Encode(text, prompt, mostTokens, cancellation);
        Prompt = prompt;
    }

    /// <summary>Whether there are tools that may be called.</summary>
    public bool HasTools => _tools.Callable.Count > 0;

    /// <summary>The tokens before the answer; not all of them where they are more than were asked for.</summary>
    public IReadOnlyList<int> Prompt { get; }

    /// <summary>How many tokens the prompt has; where they are more than were asked for, how many it has at least.</summary>
    public long PromptTokens { get; }

    /// <summary>What an engine is asked for. Its text is for the parsers of <see cref="CreateParser"/>.</summary>
    /// <param name="sampling">How tokens are chosen.</param>
    /// <param name="answer">The key, by <see cref="AnswerGrammar"/>, of what an answer must be where it calls no tool that it must call, behind any reasoning; null: anything.</param>
    /// <param name="grammars">The engine's compiled grammars.</param>
    /// <exception cref="UserErrorException">The schema of a strict tool or of the answer cannot be used, or no token is asked for.</exception>
    public GenerationRequest ToGeneration(SamplingOptions sampling, string? answer, GrammarCache grammars)
    {
        // Only texts are scored without an answer.
        if (sampling.MaxTokens == 0)
        {
            throw new UserErrorException("max_tokens: 0 is out of range; at least 1 is expected in a conversation");
        }

        return new GenerationRequest
        {
            Prompt = Prompt,
            Sampling = sampling,
            Grammar = WholeAnswer(answer, grammars),

            // Markers of calls may be special tokens.
            SkipSpecialTokens = _format is null,
            IsChat = true,
        };
    }

    /// <summary>What reads one answer.</summary>
    public ChatOutputParser CreateParser() => new(_format, _position == ReasoningPosition.Inside, _tools.Tools, _earlierToolCalls, _chat.Reasoning);

    /// <summary>
    /// Calls where one is forced; an answer of the wanted form or, as with OpenAI, calls instead where tools may be called; text and then calls where not any calls will do: one of the tools
    /// is strict, only some may be called, or only one call; or anything.
    /// </summary>
    private Grammar? WholeAnswer(string? answer, GrammarCache grammars)
    {
        bool forced = _tools.MustCall;
        IReadOnlyList<ChatTool> callable = _format is null ? [] : _tools.Callable;
        bool anyCalls = callable.Count == 0 || (_tools.Parallel && callable.Count == _tools.Tools.Count && !callable.Any(tool => tool.Strict));
        if (answer is null && !forced && anyCalls)
        {
            return null;
        }

        string calls = callable.Count > 0 ? AnswerGrammar.Key(callable, _tools.Parallel, _format!.NumbersCalls ? _earlierToolCalls : 0) : "";
        string key = forced ? $"{_position} reasoning {calls}" : answer is null ? $"{_position} reasoning text or {calls}" : $"{_position} reasoning {calls}\n{answer}";
        return grammars.GetOrAdd(key, () => WithLax(callable, tools => Compile(tools, answer)));
    }

    private Grammar Compile(IReadOnlyList<ChatTool> tools, string? answer) => _chat.Reasoning.ThenAnswer(
        _tools.MustCall ? Calls(tools)
        : answer is null ? OfTools(() => _format!.CreateAutoGrammar(tools, _chat.Tokenizer, _tools.Parallel, _earlierToolCalls))
        : tools.Count == 0 ? AnswerGrammar.Compile(answer)
        : Grammar.Choice(AnswerGrammar.Compile(answer), Calls(tools)),
        _chat.Tokenizer,
        _position,
        _format);

    private Grammar Calls(IReadOnlyList<ChatTool> tools) => OfTools(() => _format!.CreateGrammar(tools, _chat.Tokenizer, _tools.Parallel, _earlierToolCalls));

    // Whoever refuses the request says which of its fields is wrong.
    private static Grammar OfTools(Func<Grammar> make)
    {
        try
        {
            return make();
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"tools: {e.Message}", e);
        }
    }

    // Schemas of which no grammar can be made, each by itself or all together, are no reason to refuse the request, unless a tool promises that arguments follow its own.
    private Grammar WithLax(IReadOnlyList<ChatTool> tools, Func<IReadOnlyList<ChatTool>, Grammar> make)
    {
        try
        {
            return make([.. tools.Select(Callable)]);
        }
        catch (UserErrorException) when (tools.Any(tool => !tool.Strict))
        {
            return make([.. tools.Select(tool => tool.Strict ? tool : tool with { Parameters = AnyArguments })]);
        }
    }

    private ChatTool Callable(ChatTool tool)
    {
        if (tool.Strict)
        {
            return tool;
        }

        try
        {
            _ = Calls([tool]);
            return tool;
        }
        catch (UserErrorException)
        {
            return tool with { Parameters = AnyArguments };
        }
    }
}
