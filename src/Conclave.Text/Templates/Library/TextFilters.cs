using System.Globalization;
using System.Text;

namespace Conclave.Text;

/// <summary>Filters that make strings of strings.</summary>
internal static class TextFilters
{
    private static readonly Signature UpperParameters = new("do_upper", "s");
    private static readonly Signature LowerParameters = new("do_lower", "s");
    private static readonly Signature CapitalizeParameters = new("do_capitalize", "s");
    private static readonly Signature TitleParameters = new("do_title", "s");
    private static readonly Signature StringParameters = new("soft_str", "s");
    private static readonly Signature EscapeParameters = new("escape", "s");
    private static readonly Signature ForceEscapeParameters = new("do_forceescape", "value");
    private static readonly Signature SafeParameters = new("do_mark_safe", "value");
    private static readonly Signature StripTagsParameters = new("do_striptags", "value");
    private static readonly Signature UrlEncodeParameters = new("do_urlencode", "value");
    private static readonly Signature WordCountParameters = new("do_wordcount", "s");
    private static readonly Signature CenterParameters = new("do_center", "value", "width?");
    private static readonly Signature IndentParameters = new("do_indent", "s", "width?", "first?", "blank?");
    private static readonly Signature ReplaceParameters = new("do_replace", "s", "old", "new", "count?");
    private static readonly Signature TrimParameters = new("do_trim", "value", "chars?");
    private static readonly Signature TruncateParameters = new("do_truncate", "s", "length?", "killwords?", "end?", "leeway?");
    private static readonly Signature AttributesParameters = new("do_xmlattr", "d", "autospace?");

    public static Value Upper(RenderState state, Arguments arguments) => Map(state, UpperParameters, arguments, CaseMapping.Upper);

    public static Value Lower(RenderState state, Arguments arguments) => Map(state, LowerParameters, arguments, CaseMapping.Lower);

    public static Value Capitalize(RenderState state, Arguments arguments) => Map(state, CapitalizeParameters, arguments, CaseMapping.Capitalize);

    /// <summary>The words are joined into a plain string, markup or not.</summary>
    public static Value Title(RenderState state, Arguments arguments) =>
        state.Text(TitleWords(Soft(state, TitleParameters.Bind(arguments)[0]!).Text));

    public static Value String(RenderState state, Arguments arguments) => Soft(state, StringParameters.Bind(arguments)[0]!);

    public static Value Escape(RenderState state, Arguments arguments) => Html.Escape(state, EscapeParameters.Bind(arguments)[0]!);

    public static Value ForceEscape(RenderState state, Arguments arguments) =>
        Html.Escape(state, new StringValue(ForceEscapeParameters.Bind(arguments)[0]!.ToText(state)));

    public static Value Safe(RenderState state, Arguments arguments) => state.Text(SafeParameters.Bind(arguments)[0]!.ToText(state), markup: true);

    public static Value StripTags(RenderState state, Arguments arguments) => Html.StripTags(state, StripTagsParameters.Bind(arguments)[0]!.ToText(state));

    public static Value Center(RenderState state, Arguments arguments)
    {
        Value?[] bound = CenterParameters.Bind(arguments);
        int width = bound[1] is null ? 80 : Arguments.Integer(state, bound[1]!);
        return StringMethods.PadTo(state, Soft(state, bound[0]!), width, " ", StringMethods.Centered);
    }

    public static Value Format(RenderState state, Arguments arguments)
    {
        if (arguments.Count > 1 && arguments.HasNames)
        {
            throw TemplateErrors.Argument("can't handle positional and keyword arguments at the same time");
        }

        StringValue format = Soft(state, arguments[0]);
        if (!arguments.HasNames)
        {
            return PercentFormat.Format(state, format, new TupleValue([.. arguments.Positional.Skip(1)]));
        }

        OrderedDictionary<Value, Value> named = DictValue.NewItems();
        foreach ((string name, Value value) in arguments.Named!)
        {
            named[new StringValue(name)] = value;
        }

        return PercentFormat.Format(state, format, new DictValue(named));
    }

    public static Value Indent(RenderState state, Arguments arguments)
    {
        Value?[] bound = IndentParameters.Bind(arguments);
        string indention = bound[1] switch
        {
            null => "    ",
            StringValue text => text.Text,
            { } width => ((StringValue)Operators.Multiply(state, new StringValue(" "), width)).Text,
        };
        if (bound[0] is not StringValue source)
        {
            throw NotIndentable(bound[0]!);
        }

        bool blank = bound[3]?.IsTrue ?? false;
        List<string> lines = PythonText.SplitLines(source.Text + "\n", keepEnds: false);
        TextBuffer buffer = new(state);
        buffer.Append(bound[2]?.IsTrue ?? false ? indention : "");
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0)
            {
                buffer.Append('\n');
                buffer.Append(blank || lines[i].Length > 0 ? indention : "");
            }

            buffer.Append(lines[i]);
        }

        return state.Text(buffer.ToString(), source.IsMarkup);
    }

    public static Value Replace(RenderState state, Arguments arguments)
    {
        Value?[] bound = ReplaceParameters.Bind(arguments);
        int most = bound[3] is null or NoneValue ? -1 : Arguments.Integer(state, bound[3]!);
        return state.Text(
            StringMethods.ReplaceIn(state, bound[0]!.ToText(state), bound[1]!.ToText(state), bound[2]!.ToText(state), most));
    }

    public static Value Trim(RenderState state, Arguments arguments)
    {
        Value?[] bound = TrimParameters.Bind(arguments);
        StringValue text = Soft(state, bound[0]!);
        state.Characters(text.Text.Length);
        string stripped = PythonText.Strip(text.Text, StringMethods.Characters(bound[1], "strip"), left: true, right: true);
        return new StringValue(stripped, text.IsMarkup);
    }

    public static Value Truncate(RenderState state, Arguments arguments)
    {
        Value?[] bound = TruncateParameters.Bind(arguments);
        int length = bound[1] is null ? 255 : Arguments.Integer(state, bound[1]!);
        StringValue end = bound[3] as StringValue ?? new StringValue(bound[3]?.ToText(state) ?? "...");
        int leeway = bound[4] is null or NoneValue ? 5 : Arguments.Integer(state, bound[4]!);
        if (length < end.Count)
        {
            throw new TemplateException(TemplateErrorKind.AssertionError, $"expected length >= {end.Count}, got {length}");
        }

        if (leeway < 0)
        {
            throw new TemplateException(TemplateErrorKind.AssertionError, $"expected leeway >= 0, got {leeway}");
        }

        if (bound[0]!.Length is not { } count)
        {
            throw TemplateErrors.Type($"object of type '{bound[0]!.TypeName}' has no len()");
        }

        if (count <= (long)length + leeway)
        {
            return bound[0]!;
        }

        StringValue text = bound[0] as StringValue ?? throw TemplateErrors.NoAttribute(bound[0]!, "rsplit");
        string kept = text.Part(0, length - end.Count);
        return state.Text((bound[2]?.IsTrue ?? false ? kept : PythonText.SplitFromRight(kept, " ", 1)[0]) + end.Text, text.IsMarkup);
    }

    public static Value UrlEncode(RenderState state, Arguments arguments)
    {
        Value value = UrlEncodeParameters.Bind(arguments)[0]!;
        IEnumerator<Value>? items = value is StringValue ? null
            : value is DictValue dict ? new DictViewValue(dict, DictViewKind.Items).Iterate(state)
            : value.Iterate(state);
        if (items is null)
        {
            return state.Text(Quote(state, value.ToText(state), isQuery: false));
        }

        TextBuffer buffer = new(state);
        while (items.MoveNext())
        {
            List<Value> pair = items.Current.Iterate(state) is null
                ? throw TemplateErrors.Type($"cannot unpack non-iterable {items.Current.TypeName} object")
                : items.Current.ToList(state);
            if (pair.Count != 2)
            {
                throw TemplateErrors.Unpacking(2, pair.Count);
            }

            buffer.Append(buffer.Length > 0 ? "&" : "");
            buffer.Append(Quote(state, pair[0].ToText(state), isQuery: true));
            buffer.Append('=');
            buffer.Append(Quote(state, pair[1].ToText(state), isQuery: true));
        }

        return state.Text(buffer.ToString());
    }

    public static Value WordCount(RenderState state, Arguments arguments)
    {
        string text = WordCountParameters.Bind(arguments)[0]!.ToText(state);
        state.Characters(text.Length);
        int count = 0;
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isWord = Rune.IsLetterOrDigit(rune) || Rune.IsNumber(rune) || rune.Value == '_';
            count += isWord && !inWord ? 1 : 0;
            inWord = isWord;
        }

        return IntegerValue.Of(count);
    }

    public static Value XmlAttributes(RenderState state, Arguments arguments)
    {
        Value?[] bound = AttributesParameters.Bind(arguments);
        if (bound[0] is not DictValue dict)
        {
            throw bound[0]!.UndefinedError() ?? TemplateErrors.NoAttribute(bound[0]!, "items");
        }

        List<string> attributes = [];
        foreach ((Value key, Value value) in dict.Items)
        {
            if (value is NoneValue or UndefinedValue)
            {
                continue;
            }

            string name = key is StringValue text
                ? text.Text
                : throw TemplateErrors.Type($"expected string or bytes-like object, got '{key.TypeName}'");
            if (name.Any(unit => unit is (>= '\t' and <= '\r') or ' ' or '/' or '>' or '='))
            {
                throw TemplateErrors.Value($"Invalid character in attribute name: {StringRepr.Quote(name)}");
            }

            attributes.Add($"{Html.Escape(state, key).Text}=\"{Html.Escape(state, value).Text}\"");
        }

        string joined = string.Join(' ', attributes);
        return state.Text((bound[1]?.IsTrue ?? true) && joined.Length > 0 ? " " + joined : joined);
    }

    /// <summary>The string itself, markup or not, or what <c>str</c> makes of another value.</summary>
    public static StringValue Soft(RenderState state, Value value) => value as StringValue ?? state.Text(value.ToText(state));

    // The filter adds a line break with "+=", which lists understand and tuples and numbers do not.
    private static TemplateException NotIndentable(Value value) => value.UndefinedError() ?? value switch
    {
        ListValue => TemplateErrors.NoAttribute(value, "splitlines"),
        TupleValue => TemplateErrors.Type("can only concatenate tuple (not \"str\") to tuple"),
        _ => TemplateErrors.Type($"unsupported operand type(s) for +=: '{value.TypeName}' and 'str'"),
    };

    private static StringValue Map(RenderState state, Signature parameters, Arguments arguments, Func<string, string> map)
    {
        StringValue text = Soft(state, parameters.Bind(arguments)[0]!);
        return state.Text(map(text.Text), text.IsMarkup);
    }

    // Words begin after white space, hyphens and opening brackets.
    private static string TitleWords(string text)
    {
        StringBuilder words = new();
        int start = 0;
        while (start < text.Length)
        {
            int end = start;
            while (end < text.Length && IsBoundary(text[end]))
            {
                end++;
            }

            if (end == start)
            {
                while (end < text.Length && !IsBoundary(text[end]))
                {
                    end++;
                }

                int first = StringValue.Width(text, start);
                words.Append(CaseMapping.Upper(text.Substring(start, first))).Append(CaseMapping.Lower(text[(start + first)..end]));
            }
            else
            {
                words.Append(text, start, end - start);
            }

            start = end;
        }

        return words.ToString();
    }

    private static bool IsBoundary(char unit) => PythonText.IsWhite(unit) || unit is '-' or '(' or '{' or '[' or '<';

    private static string Quote(RenderState state, string text, bool isQuery)
    {
        TextBuffer quoted = new(state);
        foreach (byte unit in Encoding.UTF8.GetBytes(text))
        {
            char c = (char)unit;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !isQuery))
            {
                quoted.Append(c);
            }
            else
            {
                quoted.Append(c == ' ' && isQuery ? "+" : string.Create(CultureInfo.InvariantCulture, $"%{unit:X2}"));
            }
        }

        return quoted.ToString();
    }
}
