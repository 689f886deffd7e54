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

    private ChatPrompt(ChatTemplate template, Tokenizer tokenizer, TokenizerConfig config)
    {
        _toolCalls = new Lazy<ToolCallFormat?>(() => ToolCallFormat.Recognize(config.ChatTemplate, tokenizer));
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
    /// <param name="messages">Messages as OpenAI's API has them, contents being strings; arguments of tool calls may be strings or objects.</param>
    /// <param name="tools">Tools as OpenAI's API has them; null: none.</param>
    /// <param name="arguments">More variables for the template; null: none.</param>
    /// <param name="addGenerationPrompt">Goes on to where an answer begins.</param>
    /// <exception cref="UserErrorException">The template refuses the conversation.</exception>
    public string Render(JsonArray messages, JsonArray? tools = null, JsonObject? arguments = null, bool addGenerationPrompt = true)
    {
        JsonArray parsed = (JsonArray)messages.DeepClone();
        bool calls = ParseCallArguments(parsed);
        JsonObject variables = (JsonObject?)arguments?.DeepClone() ?? [];
        variables["messages"] = parsed;
        if (tools is not null)
        {
            variables["tools"] = tools.DeepClone();
        }

        variables["add_generation_prompt"] = addGenerationPrompt;
        variables["bos_token"] = _config.BosToken ?? "";
        variables["eos_token"] = _config.EosToken ?? "";
        try
        {
            return Render(variables);
        }
        catch (TemplateException) when (calls)
        {
            // Most templates want the arguments of calls as objects, those of R1 as the strings that the model wrote.
            variables["messages"] = messages.DeepClone();
        }
        catch (TemplateException e)
        {
            throw Refused(e);
        }

        try
        {
            return Render(variables);
        }
        catch (TemplateException e)
        {
            throw Refused(e);
        }
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

    private static UserErrorException Refused(TemplateException error) =>
        new($"the model's chat template refuses this conversation: {error.Message}", error);

    private static bool ParseCallArguments(JsonArray messages)
    {
        bool any = false;
        foreach (JsonObject function in messages.OfType<JsonObject>().SelectMany(message => message["tool_calls"] as JsonArray ?? []).OfType<JsonObject>()
            .Select(call => call["function"]).OfType<JsonObject>())
        {
            if (function["arguments"] is not JsonValue value || !value.TryGetValue(out string? text))
            {
                continue;
            }

            try
            {
                if (JsonNode.Parse(text) is JsonObject arguments)
                {
                    function["arguments"] = arguments;
                    any = true;
                }
            }
            catch (JsonException)
            {
                // What a model once wrote need not be JSON; the template gets it as it is.
            }
        }

        return any;
    }

    private string Render(JsonObject variables) => _template.Render(JsonSerializer.SerializeToElement(variables, ChatJson.Default.JsonObject));
}
