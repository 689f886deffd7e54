using System.Globalization;

namespace Conclave.Text;

/// <summary>Python's <c>str.format</c>, with the sandbox's rules for attributes.</summary>
internal static class StrFormat
{
    private const string Mixed = "cannot switch from manual field specification to automatic field numbering";

    public static string Format(RenderState state, StringValue format, Arguments arguments, Value? mapping = null)
    {
        Numbering numbering = new();
        TextBuffer output = new(state);
        Write(state, output, format.Text, new Source(arguments, mapping, format.IsMarkup), numbering, depth: 2);
        return output.ToString();
    }

    private static void Write(RenderState state, TextBuffer output, string format, Source source, Numbering numbering, int depth)
    {
        if (depth < 0)
        {
            throw TemplateErrors.Value("Max string recursion exceeded");
        }

        for (int i = 0; i < format.Length;)
        {
            char unit = format[i];
            if (unit is not ('{' or '}'))
            {
                output.Append(unit);
                i++;
            }
            else if (i + 1 < format.Length && format[i + 1] == unit)
            {
                output.Append(unit);
                i += 2;
            }
            else if (unit == '}')
            {
                throw TemplateErrors.Value("Single '}' encountered in format string");
            }
            else
            {
                int end = FieldEnd(format, i + 1);
                Field(state, output, format[(i + 1)..end], source, numbering, depth);
                i = end + 1;
            }
        }
    }

    private static int FieldEnd(string format, int start)
    {
        if (start == format.Length)
        {
            throw TemplateErrors.Value("Single '{' encountered in format string");
        }

        int depth = 1;
        for (int i = start; i < format.Length; i++)
        {
            depth += format[i] switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth == 0)
            {
                return i;
            }
        }

        throw TemplateErrors.Value("expected '}' before end of string");
    }

    private static void Field(RenderState state, TextBuffer output, string field, Source source, Numbering numbering, int depth)
    {
        state.Step();
        int nameEnd = NameEnd(field);
        string name = field[..nameEnd];
        string rest = field[nameEnd..];
        char conversion = '\0';
        if (rest.StartsWith('!'))
        {
            if (rest.Length < 2)
            {
                throw TemplateErrors.Value("end of string while looking for conversion specifier");
            }

            conversion = rest[1];
            rest = rest[2..];
            if (rest.Length > 0 && rest[0] != ':')
            {
                throw TemplateErrors.Value("expected ':' after conversion specifier");
            }
        }

        Value value = Resolve(state, name, source, numbering);
        value = conversion switch
        {
            '\0' => value,
            's' => state.Text(value.ToText(state)),
            'r' => state.Text(value.Repr(state)),
            'a' => state.Text(PercentFormat.ToAscii(value.Repr(state))),
            _ => throw TemplateErrors.Value($"Unknown conversion specifier {conversion}"),
        };
        TextBuffer specification = new(state);
        Write(state, specification, rest.Length > 0 ? rest[1..] : "", source, numbering, depth - 1);
        string text = FormatSpec.Apply(state, value, specification.ToString());
        output.Append(source.Escapes && value is not StringValue { IsMarkup: true } ? Html.Escape(state, new StringValue(text)).Text : text);
    }

    // The name ends at "!" or ":", except inside of an index.
    private static int NameEnd(string field)
    {
        bool inIndex = false;
        for (int i = 0; i < field.Length; i++)
        {
            switch (field[i])
            {
                case '[':
                    inIndex = true;
                    break;
                case ']':
                    inIndex = false;
                    break;
                case ':' or '!' when !inIndex:
                    return i;
            }
        }

        return field.Length;
    }

    private static Value Resolve(RenderState state, string name, Source source, Numbering numbering)
    {
        int end = name.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? name : name[..end];
        Value value = First(state, first, source, numbering);
        string rest = end < 0 ? "" : name[end..];
        while (rest.Length > 0)
        {
            int close;
            if (rest[0] == '.')
            {
                close = rest.AsSpan(1).IndexOfAny('.', '[');
                close = close < 0 ? rest.Length : close + 1;
                value = close > 1 ? Lookup.Attribute(state, value, rest[1..close]) : throw TemplateErrors.Value("Empty attribute in format string");
            }
            else if (rest[0] == '[')
            {
                close = rest.IndexOf(']', StringComparison.Ordinal);
                if (close < 0)
                {
                    throw TemplateErrors.Value("Missing ']' in format string");
                }

                string key = rest[1..close++];
                value = key.Length == 0 ? throw TemplateErrors.Value("Empty attribute in format string")
                    : Lookup.Item(state, value, Index(key) is { } index ? IntegerValue.Of(index) : new StringValue(key));
            }
            else
            {
                throw TemplateErrors.Value("Only '.' or '[' may follow ']' in format field specifier");
            }

            rest = rest[close..];
        }

        return value;
    }

    private static Value First(RenderState state, string first, Source source, Numbering numbering)
    {
        int? index = Index(first);
        if (first.Length == 0)
        {
            index = numbering.Automatic();
        }
        else if (index is not null)
        {
            numbering.Manual();
        }

        if (index is { } position)
        {
            return source.Arguments.At(position) ?? throw new TemplateException(TemplateErrorKind.IndexError, "tuple index out of range");
        }

        Value? named = source.Mapping is { } mapping
            ? mapping.Item(state, new StringValue(first))
            : source.Arguments.Named?.GetValueOrDefault(first);
        return named ?? throw new TemplateException(TemplateErrorKind.KeyError, StringRepr.Quote(first));
    }

    private static int? Index(string text) =>
        text.Length > 0 && text.All(char.IsAsciiDigit) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            ? index
            : null;

    private sealed record Source(Arguments Arguments, Value? Mapping, bool Escapes);

    private sealed class Numbering
    {
        private int _next;
        private bool _isManual;

        public int Automatic() => _isManual ? throw TemplateErrors.Value(Mixed) : _next++;

        public void Manual()
        {
            if (_next > 0)
            {
                throw TemplateErrors.Value(Mixed);
            }

            _isManual = true;
        }
    }
}
