namespace Conclave.Text;

/// <summary>The filter wordwrap: Python's textwrap, line by line.</summary>
internal static class WordWrap
{
    private static readonly Signature Parameters =
        new("do_wordwrap", "s", "width?", "break_long_words?", "wrapstring?", "break_on_hyphens?");

    public static Value Filter(RenderState state, Arguments arguments)
    {
        Value?[] bound = Parameters.Bind(arguments);
        if (bound[0] is not StringValue text)
        {
            throw bound[0]!.UndefinedError() ?? TemplateErrors.NoAttribute(bound[0]!, "splitlines");
        }

        int width = bound[1] is null ? 79 : Arguments.Integer(state, bound[1]!);
        bool breakLong = bound[2]?.IsTrue ?? true;
        string wrap = bound[3] is null or NoneValue ? "\n" : bound[3]!.ToText(state);
        bool breakHyphens = bound[4]?.IsTrue ?? true;
        List<string> paragraphs = [];
        foreach (string line in PythonText.SplitLines(text.Text, keepEnds: false))
        {
            paragraphs.Add(string.Join(wrap, Wrap(state, line, width, breakLong, breakHyphens)));
        }

        TextBuffer output = new(state);
        for (int i = 0; i < paragraphs.Count; i++)
        {
            output.Append(i > 0 ? wrap : "");
            output.Append(paragraphs[i]);
        }

        return state.Text(output.ToString());
    }

    private static List<string> Wrap(RenderState state, string line, int width, bool breakLong, bool breakHyphens)
    {
        if (width <= 0)
        {
            throw TemplateErrors.Value($"invalid width {width} (must be > 0)");
        }

        state.Characters(line.Length);
        Stack<string> chunks = new(Enumerable.Reverse(Chunks(line, breakHyphens)));
        List<string> lines = [];
        while (chunks.Count > 0)
        {
            state.Step();
            List<string> current = [];
            int length = 0;
            if (lines.Count > 0 && IsBlank(chunks.Peek()))
            {
                chunks.Pop();
            }

            while (chunks.Count > 0 && length + StringValue.CountCodePoints(chunks.Peek()) <= width)
            {
                current.Add(chunks.Pop());
                length += StringValue.CountCodePoints(current[^1]);
            }

            if (chunks.Count > 0 && StringValue.CountCodePoints(chunks.Peek()) > width)
            {
                BreakLong(chunks, current, width - length, breakLong, breakHyphens);
            }

            if (current.Count > 0 && IsBlank(current[^1]))
            {
                current.RemoveAt(current.Count - 1);
            }

            if (current.Count > 0)
            {
                lines.Add(string.Concat(current));
            }
        }

        return lines;
    }

    private static void BreakLong(Stack<string> chunks, List<string> current, int space, bool breakLong, bool breakHyphens)
    {
        if (breakLong)
        {
            StringValue chunk = new(chunks.Pop());
            int end = Math.Max(1, space);
            int hyphen = breakHyphens && chunk.Count > end ? chunk.Part(0, end).LastIndexOf('-') : -1;
            string head = hyphen > 0 && chunk.Text[..hyphen].Any(c => c != '-') ? chunk.Text[..(hyphen + 1)] : chunk.Part(0, end);
            current.Add(head);
            if (head.Length < chunk.Text.Length)
            {
                chunks.Push(chunk.Text[head.Length..]);
            }
        }
        else if (current.Count == 0)
        {
            current.Add(chunks.Pop());
        }
    }

    // Runs of white space, words, and parts of words that end in a hyphen between letters or around a dash.
    private static List<string> Chunks(string line, bool breakHyphens)
    {
        List<string> chunks = [];
        int start = 0;
        while (start < line.Length)
        {
            bool white = IsWhite(line[start]);
            int end = start + 1;
            while (end < line.Length && IsWhite(line[end]) == white && (white || !breakHyphens || !IsBreak(line, start, end)))
            {
                end++;
            }

            chunks.Add(line[start..end]);
            start = end;
        }

        return chunks;
    }

    private static bool IsBreak(string line, int start, int at)
    {
        if (line[at - 1] == '-' && IsLetterAt(line, at)
            && (IsLetterAt(line, at + 1) || (at + 1 < line.Length && line[at + 1] == '-' && IsLetterAt(line, at + 2))))
        {
            bool afterTwo = at - start >= 3 && IsLetterAt(line, at - 2) && IsLetterAt(line, at - 3);
            bool afterPair = at - start >= 4 && IsLetterAt(line, at - 2) && line[at - 3] == '-' && IsLetterAt(line, at - 4);
            if (afterTwo || afterPair)
            {
                return true;
            }
        }

        // A dash of two or more hyphens between words is a chunk of its own.
        return (line[at] == '-' && line[at - 1] != '-' && IsDashEdge(line[at - 1]) && DashEnd(line, at) is int end && IsWordAt(line, end))
            || (line[at] != '-' && line[at - 1] == '-' && at >= 2 && line[at - 2] == '-' && IsWordAt(line, at) && line[start] == '-');
    }

    private static int? DashEnd(string line, int at)
    {
        int end = at;
        while (end < line.Length && line[end] == '-')
        {
            end++;
        }

        return end - at >= 2 ? end : null;
    }

    private static bool IsDashEdge(char unit) => char.IsLetterOrDigit(unit) || unit is '_' or '!' or '"' or '\'' or '&' or '.' or ',' or '?';

    private static bool IsWordAt(string line, int at) => at < line.Length && (char.IsLetterOrDigit(line[at]) || line[at] == '_');

    private static bool IsLetterAt(string line, int at) => at >= 0 && at < line.Length && (char.IsLetter(line[at]) || line[at] == '_');

    private static bool IsWhite(char unit) => unit is (>= '\t' and <= '\r') or ' ';

    private static bool IsBlank(string text) => text.All(PythonText.IsWhite);
}
