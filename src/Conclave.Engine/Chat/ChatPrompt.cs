using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Text;
using Conclave.Text.Chat;

namespace Conclave.Engine;

/// <summary>Turns conversations into prompts, as the model's own chat template says.</summary>
public sealed class ChatPrompt
{
    private readonly Form _plain;
    private readonly Form _withTools;
    private readonly TokenizerConfig _config;
    private readonly Lazy<ToolCallFormat?> _toolCalls;

    private ChatPrompt(Form plain, Form withTools, Tokenizer tokenizer, TokenizerConfig config)
    {
        Reasoning = Reasoning.Recognize(config.ChatTemplate!, tokenizer);
        _toolCalls = new Lazy<ToolCallFormat?>(() => ToolCallFormat.Recognize(config.ToolTemplate ?? config.ChatTemplate, tokenizer));
        _plain = plain;
        _withTools = withTools;
        Tokenizer = tokenizer;
        _config = config;
    }

    /// <summary>How the model writes tool calls; null where it writes none that are known.</summary>
    public ToolCallFormat? ToolCalls => _toolCalls.Value;

    /// <summary>Whether the model is told of tools: its template writes them, or how they are written for it is known.</summary>
    public bool ShowsTools => !_withTools.Habits.IgnoresTools || ToolCalls?.Describe([]) is not null;

    /// <summary>Between which tags the model thinks.</summary>
    public Reasoning Reasoning { get; }

    internal Tokenizer Tokenizer { get; }

    /// <summary>Reads a model's template; null where it has none.</summary>
    /// <exception cref="UserErrorException">The template is wrong.</exception>
    public static ChatPrompt? Load(TokenizerConfig config, Tokenizer tokenizer)
    {
        if (config.ChatTemplate is not { } source)
        {
            return null;
        }

        try
        {
            Form plain = new(ChatTemplate.Parse(source, config.ChatTemplatePlace));
            Form withTools = config.ToolTemplate is { } other ? new(ChatTemplate.Parse(other, config.ToolTemplatePlace)) : plain;
            return new ChatPrompt(plain, withTools, tokenizer, config);
        }
        catch (TemplateException e)
        {
            throw new UserErrorException(e.Detail, e);
        }
    }

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">
    /// Messages as OpenAI's API has them: contents are strings, lists of parts of text, or null; arguments of tool calls are strings or objects.
    /// </param>
    /// <param name="tools">Tools as OpenAI's API has them; null: none.</param>
    /// <param name="arguments">More variables for the template; null: none.</param>
    /// <param name="addGenerationPrompt">Goes on to where an answer begins.</param>
    /// <exception cref="UserErrorException">The template refuses the conversation.</exception>
    public string Render(JsonArray messages, JsonArray? tools = null, JsonObject? arguments = null, bool addGenerationPrompt = true)
    {
        JsonObject variables = (JsonObject?)arguments?.DeepClone() ?? [];
        if (tools is not null)
        {
            variables["tools"] = ToolCalls is { SortsDefinitions: true } ? TemplateMessages.Sorted(tools) : tools.DeepClone();
        }

        variables["add_generation_prompt"] = addGenerationPrompt;
        foreach ((string name, string? value) in _config.TemplateVariables)
        {
            if (!variables.ContainsKey(name))
            {
                variables[name] = value;
            }
        }

        Form template = tools is null ? _plain : _withTools;
        JsonArray plain = TemplateMessages.Plain(messages, template.Habits);
        if (plain.OfType<JsonObject>().Any(message => message.ContainsKey("tool_calls")) && ToolCalls is { } format)
        {
            CallIds.Renumber(plain, format);
        }

        if (tools is not null && template.Habits.IgnoresTools && ToolCalls?.Describe(tools) is { } description)
        {
            TemplateMessages.AddToSystem(plain, description);
        }

        TemplateException? refusal = null;
        foreach (JsonArray form in TemplateMessages.Forms(plain, messages))
        {
            variables["messages"] = form;
            try
            {
                return template.Template.Render(JsonSerializer.SerializeToElement(variables, ChatJson.Default.JsonObject));
            }
            catch (TemplateException e)
            {
                refusal = e;
            }
        }

        throw new UserErrorException($"messages: the model's chat template refuses this conversation: {refusal!.Message}", refusal);
    }

    /// <summary>Appends the tokens of a rendered conversation, whose template writes the special tokens itself; see <see cref="Conclave.Text.Tokenizer.Encode"/>.</summary>
    internal long Encode(string text, List<int> ids, int most, CancellationToken cancellation) =>
        Tokenizer.Encode(text, ids, addSpecialTokens: false, most: most, cancellation: cancellation);

    /// <summary>A template, and the habits of its kind, which are found out when they are first needed.</summary>
    private sealed class Form(ChatTemplate template)
    {
        private readonly Lazy<TemplateForm> _habits = new(() => TemplateForm.Of(template));

        public ChatTemplate Template => template;

        public TemplateForm Habits => _habits.Value;
    }
}
