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
    private readonly ChatTemplate _template;
    private readonly TokenizerConfig _config;
    private readonly Lazy<ToolCallFormat?> _toolCalls;
    private readonly Lazy<TemplateForm> _form;

    private ChatPrompt(ChatTemplate template, Tokenizer tokenizer, TokenizerConfig config)
    {
        _toolCalls = new Lazy<ToolCallFormat?>(() => ToolCallFormat.Recognize(config.ChatTemplate, tokenizer));
        _form = new Lazy<TemplateForm>(() => TemplateForm.Of(template));
        _template = template;
        Tokenizer = tokenizer;
        _config = config;
    }

    /// <summary>How the model writes tool calls; null where it writes none that are known.</summary>
    public ToolCallFormat? ToolCalls => _toolCalls.Value;

    internal Tokenizer Tokenizer { get; }

    /// <summary>Reads the template of a model directory; null where it has none.</summary>
    /// <exception cref="UserErrorException">The template or the file that holds it is wrong.</exception>
    public static ChatPrompt? Load(string directory, Tokenizer tokenizer)
    {
        TokenizerConfig config = TokenizerConfig.Read(directory);
        if (config.ChatTemplate is not { } source)
        {
            return null;
        }

        try
        {
            return new ChatPrompt(ChatTemplate.Parse(source, config.ChatTemplatePlace), tokenizer, config);
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
        variables["bos_token"] = _config.BosToken ?? "";
        variables["eos_token"] = _config.EosToken ?? "";
        TemplateException? refusal = null;
        foreach (JsonArray form in TemplateMessages.Forms(messages, _form.Value))
        {
            variables["messages"] = form;
            try
            {
                return _template.Render(JsonSerializer.SerializeToElement(variables, ChatJson.Default.JsonObject));
            }
            catch (TemplateException e)
            {
                refusal = e;
            }
        }

        throw new UserErrorException($"the model's chat template refuses this conversation: {refusal!.Message}", refusal);
    }

    /// <summary>The tokens of a conversation of plain messages, up to where the answer begins.</summary>
    /// <exception cref="UserErrorException">The template refuses the conversation.</exception>
    public List<int> Encode(IReadOnlyList<ChatMessage> messages) =>
        Encode(Render(new JsonArray([.. messages.Select(message => new JsonObject { ["role"] = message.Role, ["content"] = message.Content })])));

    /// <summary>The tokens of a rendered conversation.</summary>
    internal List<int> Encode(string text)
    {
        // The template writes the special tokens itself.
        List<int> ids = [];
        Tokenizer.Encode(text, ids, addSpecialTokens: false);
        return ids;
    }
}
