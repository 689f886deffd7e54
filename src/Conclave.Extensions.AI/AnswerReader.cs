using System.Text;
using System.Text.Json;
using Conclave.Text.Chat;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI;

/// <summary>Turns the text of one answer into contents, as it comes. Calls of tools are passed on when they are complete.</summary>
internal sealed class AnswerReader(ChatOutputParser parser, bool leavesReasoningOut)
{
    private readonly List<ChatEvent> _events = [];
    private readonly StringBuilder _arguments = new();
    private ChatEvent? _call;

    /// <summary>See <see cref="ChatOutputParser.EndsInCalls"/>.</summary>
    public bool EndsInCalls(string? stopString) => parser.EndsInCalls(stopString);

    /// <summary>How many tokens were reasoning.</summary>
    public int ReasoningTokens => parser.ReasoningTexts;

    /// <summary>Reads on.</summary>
    public List<AIContent> Read(string text, bool last)
    {
        parser.Append(text, _events);
        if (last)
        {
            parser.Finish(_events);
        }

        List<AIContent> contents = [];
        foreach (ChatEvent one in _events)
        {
            if (one.Kind == ChatEventKind.Arguments)
            {
                _arguments.Append(one.Text);
                continue;
            }

            EndCall(contents);
            switch (one.Kind)
            {
                case ChatEventKind.ToolCall:
                    _call = one;
                    break;
                case ChatEventKind.Content:
                    contents.Add(new TextContent(one.Text));
                    break;
                default:
                    if (!leavesReasoningOut)
                    {
                        contents.Add(new TextReasoningContent(one.Text));
                    }

                    break;
            }
        }

        _events.Clear();
        if (last)
        {
            EndCall(contents);
        }

        return contents;
    }

    private void EndCall(List<AIContent> contents)
    {
        if (_call is not { } call)
        {
            return;
        }

        // What a model writes without a grammar need not be JSON; then the content has the exception.
        contents.Add(FunctionCallContent.CreateFromParsedArguments(
            _arguments.ToString(), call.Id!, call.Text, json => JsonSerializer.Deserialize(json.Length == 0 ? "{}" : json, CompactJson.Arguments)));
        _arguments.Clear();
        _call = null;
    }
}
