namespace Conclave.Cli.Frame;

/// <summary>
/// Writes a streamed answer; what stands between &lt;think&gt; and &lt;/think&gt; is dimmed. A tag may be cut by streaming, so text that could be the
/// beginning of one waits.
/// </summary>
internal sealed class ThinkingStyle(TextWriter output, bool colours)
{
    private const string Open = "<think>";
    private const string Close = "</think>";
    private const string Dim = "\e[2m";
    private const string Normal = "\e[0m";

    private string _waiting = "";
    private bool _dimmed;

    /// <summary>Writes a piece of the answer.</summary>
    public void Write(string piece)
    {
        if (!colours)
        {
            output.Write(piece);
            output.Flush();
            return;
        }

        string text = _waiting + piece;
        while (true)
        {
            string tag = _dimmed ? Close : Open;
            int at = text.IndexOf(tag, StringComparison.Ordinal);
            if (at < 0)
            {
                int kept = PossibleBeginning(text, tag);
                output.Write(text[..^kept]);
                _waiting = text[^kept..];
                break;
            }

            // The tags belong to the thinking: both are dimmed.
            int end = at + tag.Length;
            output.Write(_dimmed ? string.Concat(text.AsSpan(0, end), Normal) : string.Concat(text.AsSpan(0, at), Dim, tag));
            _dimmed = !_dimmed;
            text = text[end..];
        }

        output.Flush();
    }

    /// <summary>Writes what waited; the answer has ended.</summary>
    public void Finish()
    {
        output.Write(_waiting);
        _waiting = "";
        if (_dimmed)
        {
            output.Write(Normal);
            _dimmed = false;
        }
    }

    private static int PossibleBeginning(string text, string tag)
    {
        for (int length = Math.Min(text.Length, tag.Length - 1); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(tag.AsSpan(0, length)))
            {
                return length;
            }
        }

        return 0;
    }
}
