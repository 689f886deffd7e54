using System.Net;

namespace Conclave.Text;

/// <summary>Escaping as markupsafe does it.</summary>
internal static class Html
{
    public static StringValue Escape(RenderState state, Value value)
    {
        if (value is StringValue { IsMarkup: true } markup)
        {
            return markup;
        }

        string text = value.ToText(state);
        if (text.AsSpan().IndexOfAny("&<>'\"") >= 0)
        {
            TextBuffer buffer = new(state);
            foreach (char unit in text)
            {
                switch (unit)
                {
                    case '&':
                        buffer.Append("&amp;");
                        break;
                    case '<':
                        buffer.Append("&lt;");
                        break;
                    case '>':
                        buffer.Append("&gt;");
                        break;
                    case '\'':
                        buffer.Append("&#39;");
                        break;
                    case '"':
                        buffer.Append("&#34;");
                        break;
                    default:
                        buffer.Append(unit);
                        break;
                }
            }

            text = buffer.ToString();
        }

        return state.Text(text, markup: true);
    }

    /// <summary>Comments and tags cut out, runs of white space made one space, entities resolved.</summary>
    public static StringValue StripTags(RenderState state, string text)
    {
        state.Characters(text.Length);
        string bare = Cut(Cut(text, "<!--", "-->"), "<", ">");
        return state.Text(WebUtility.HtmlDecode(string.Join(' ', PythonText.SplitWhite(bare, -1))));
    }

    // Cuts from the left; a later opening that stands inside of what is cut belongs to it.
    private static string Cut(string text, string opening, string closing)
    {
        System.Text.StringBuilder kept = new();
        int position = 0;
        while (true)
        {
            int start = text.IndexOf(opening, position, StringComparison.Ordinal);
            int end = start < 0 ? -1 : text.IndexOf(closing, start, StringComparison.Ordinal);
            if (end < 0)
            {
                return kept.Append(text, position, text.Length - position).ToString();
            }

            kept.Append(text, position, start - position);
            position = end + closing.Length;
        }
    }
}
