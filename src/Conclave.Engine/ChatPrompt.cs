using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Engine;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">The text.</param>
public sealed record ChatMessage(string Role, string Content);

/// <summary>Turns conversations into prompts, as the model's own chat template says.</summary>
public sealed class ChatPrompt
{
    private readonly ChatTemplate _template;
    private readonly Tokenizer _tokenizer;
    private readonly TokenizerConfig _config;

    private ChatPrompt(ChatTemplate template, Tokenizer tokenizer, TokenizerConfig config)
    {
        _template = template;
        _tokenizer = tokenizer;
        _config = config;
    }

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

    /// <summary>The text of a conversation up to where the answer begins.</summary>
    /// <exception cref="UserErrorException">The template refuses the conversation.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages)
    {
        JsonObject variables = new()
        {
            ["messages"] = new JsonArray([.. messages.Select(message =>
                new JsonObject { ["role"] = message.Role, ["content"] = message.Content })]),
            ["add_generation_prompt"] = true,
            ["bos_token"] = _config.BosToken ?? "",
            ["eos_token"] = _config.EosToken ?? "",
        };
        try
        {
            return _template.Render(JsonSerializer.SerializeToElement(variables, ChatJson.Default.JsonObject));
        }
        catch (TemplateException e)
        {
            throw new UserErrorException($"the model's chat template refuses this conversation: {e.Message}", e);
        }
    }

    /// <summary>The tokens of a conversation up to where the answer begins.</summary>
    /// <exception cref="UserErrorException">The template refuses the conversation.</exception>
    public List<int> Encode(IReadOnlyList<ChatMessage> messages)
    {
        // The template writes the special tokens itself.
        List<int> ids = [];
        _tokenizer.Encode(Render(messages), ids, addSpecialTokens: false);
        return ids;
    }
}
