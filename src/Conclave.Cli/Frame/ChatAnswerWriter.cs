using System.Text;
using Conclave.Text.Chat;

namespace Conclave.Cli.Frame;

/// <summary>Writes an answer as it comes, what the model thinks between its tags and dimmed where there are colours, and keeps what it says.</summary>
internal sealed class ChatAnswerWriter(TextWriter output, ChatOutputParser parser, Reasoning reasoning, bool colours)
{
    private readonly List<ChatEvent> _events = [];
    private readonly StringBuilder _content = new();
    private readonly string _dim = colours ? "\e[2m" : "";
    private readonly string _normal = colours ? "\e[0m" : "";
    private bool _thinks;

    /// <summary>What the model has said; not what it has thought.</summary>
    public string Content => _content.ToString();

    /// <summary>Takes a piece of the answer.</summary>
    public void Write(string piece)
    {
        parser.Append(piece, _events);
        WriteEvents();
    }

    /// <summary>The answer has ended.</summary>
    public void Finish()
    {
        parser.Finish(_events);
        WriteEvents();
        output.WriteLine(_thinks ? _normal : "");
        output.Flush();
    }

    private void WriteEvents()
    {
        foreach (ChatEvent piece in _events)
        {
            bool thinks = piece.Kind == ChatEventKind.Reasoning;
            if (thinks != _thinks)
            {
                output.Write(thinks ? $"{_dim}{reasoning.Open}\n" : $"\n{reasoning.Close}{_normal}\n\n");
                _thinks = thinks;
            }

            output.Write(piece.Text);
            _content.Append(thinks ? "" : piece.Text);
        }

        _events.Clear();
        output.Flush();
    }
}
