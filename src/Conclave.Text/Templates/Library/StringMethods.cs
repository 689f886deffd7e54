using System.Globalization;
using System.Text;

namespace Conclave.Text;

/// <summary>The methods of Python's str.</summary>
internal static class StringMethods
{
    private delegate Value Method(RenderState state, StringValue self, Arguments arguments);

    private static readonly Dictionary<string, Method> Methods = new(StringComparer.Ordinal)
    {
        ["capitalize"] = Mapping("capitalize", CaseMapping.Capitalize),
        ["casefold"] = Mapping("casefold", CaseMapping.Fold),
        ["lower"] = Mapping("lower", CaseMapping.Lower),
        ["swapcase"] = Mapping("swapcase", CaseMapping.SwapCase),
        ["title"] = Mapping("title", CaseMapping.Title),
        ["upper"] = Mapping("upper", CaseMapping.Upper),
        ["strip"] = Stripping("strip", left: true, right: true),
        ["lstrip"] = Stripping("lstrip", left: true, right: false),
        ["rstrip"] = Stripping("rstrip", left: false, right: true),
        ["split"] = (state, self, arguments) => Split(state, self, arguments, "split", PythonText.SplitWhite, PythonText.Split),
        ["rsplit"] = (state, self, arguments) =>
            Split(state, self, arguments, "rsplit", PythonText.SplitWhiteFromRight, PythonText.SplitFromRight),
        ["splitlines"] = SplitLines,
        ["partition"] = (state, self, arguments) => Partition(state, self, arguments, "partition", fromRight: false),
        ["rpartition"] = (state, self, arguments) => Partition(state, self, arguments, "rpartition", fromRight: true),
        ["join"] = Join,
        ["replace"] = Replace,
        ["removeprefix"] = (state, self, arguments) => Remove(self, arguments, "removeprefix", (text, part) =>
            text.StartsWith(part, StringComparison.Ordinal) ? text[part.Length..] : text),
        ["removesuffix"] = (state, self, arguments) => Remove(self, arguments, "removesuffix", (text, part) =>
            text.EndsWith(part, StringComparison.Ordinal) ? text[..^part.Length] : text),
        ["startswith"] = (state, self, arguments) => Affix(state, self, arguments, "startswith", (text, part) =>
            text.StartsWith(part, StringComparison.Ordinal)),
        ["endswith"] = (state, self, arguments) => Affix(state, self, arguments, "endswith", (text, part) =>
            text.EndsWith(part, StringComparison.Ordinal)),
        ["find"] = (state, self, arguments) => IntegerValue.Of(Find(state, self, arguments, "find", fromRight: false)),
        ["rfind"] = (state, self, arguments) => IntegerValue.Of(Find(state, self, arguments, "rfind", fromRight: true)),
        ["index"] = (state, self, arguments) => Index(Find(state, self, arguments, "index", fromRight: false)),
        ["rindex"] = (state, self, arguments) => Index(Find(state, self, arguments, "rindex", fromRight: true)),
        ["count"] = Count,
        ["center"] = (state, self, arguments) => Pad(state, self, arguments, "center", Centered),
        ["ljust"] = (state, self, arguments) => Pad(state, self, arguments, "ljust", (_, _) => 0),
        ["rjust"] = (state, self, arguments) => Pad(state, self, arguments, "rjust", (total, _) => total),
        ["zfill"] = ZeroFill,
        ["expandtabs"] = ExpandTabs,
        ["format"] = (state, self, arguments) => state.Text(StrFormat.Format(state, self, arguments), self.IsMarkup),
        ["format_map"] = FormatMap,
        ["isalnum"] = Every("isalnum", rune => IsAlphabetic(rune) || IsNumeric(rune)),
        ["isalpha"] = Every("isalpha", IsAlphabetic),
        ["isascii"] = (state, self, arguments) => Test(arguments, "isascii", Ascii.IsValid(self.Text)),
        ["isdecimal"] = Every("isdecimal", IsDecimal),
        ["isdigit"] = Every("isdigit", rune => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0),
        ["isidentifier"] = (state, self, arguments) => Test(arguments, "isidentifier", IsIdentifier(self.Text)),
        ["islower"] = (state, self, arguments) => Test(arguments, "islower", IsLower(self.Text)),
        ["isnumeric"] = Every("isnumeric", IsNumeric),
        ["isprintable"] = (state, self, arguments) =>
            Test(arguments, "isprintable", self.Text.EnumerateRunes().All(StringRepr.IsPrintable)),
        ["isspace"] = Every("isspace", rune => rune.IsBmp && PythonText.IsWhite((char)rune.Value)),
        ["istitle"] = (state, self, arguments) => Test(arguments, "istitle", IsTitle(self.Text)),
        ["isupper"] = (state, self, arguments) => Test(arguments, "isupper", IsUpper(self.Text)),
    };

    public static Value? Find(StringValue self, string name) => Methods.TryGetValue(name, out Method? method)
        ? BuiltinFunction.Method(self, name, (state, arguments) =>
        {
            state.Characters(self.Text.Length);
            return method(state, self, arguments);
        })
        : null;

    /// <summary>Methods that need what templates have no values for: bytes and translation tables.</summary>
    public static bool IsHidden(string name) => name is "encode" or "maketrans" or "translate";

    public static bool IsUpper(string text)
    {
        bool any = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (CaseMapping.IsLower(rune) || CaseMapping.IsTitle(rune))
            {
                return false;
            }

            any |= CaseMapping.IsUpper(rune);
        }

        return any;
    }

    public static bool IsLower(string text)
    {
        bool any = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (CaseMapping.IsUpper(rune) || CaseMapping.IsTitle(rune))
            {
                return false;
            }

            any |= CaseMapping.IsLower(rune);
        }

        return any;
    }

    public static bool IsIdentifier(string text)
    {
        bool first = true;
        foreach (Rune rune in text.EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            bool starts = rune.Value == '_' || IsAlphabetic(rune) || category == UnicodeCategory.LetterNumber;
            bool continues = starts || category is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation || rune.Value is 0xB7 or 0x387;
            if (first ? !starts : !continues)
            {
                return false;
            }

            first = false;
        }

        return !first;
    }

    /// <summary>How much of the padding comes first where a text is put in the middle.</summary>
    public static int Centered(int total, int width) => total / 2 + (total & width & 1);

    /// <summary>Pads to a width in code points; <paramref name="before"/> says how much of the padding comes first.</summary>
    public static StringValue PadTo(RenderState state, StringValue self, int width, string fill, Func<int, int, int> before)
    {
        int total = width - self.Count;
        if (total <= 0)
        {
            return self;
        }

        state.CheckLength((long)total * fill.Length + self.Text.Length);
        int left = before(total, width);
        return new StringValue(
            string.Concat(Enumerable.Repeat(fill, left)) + self.Text + string.Concat(Enumerable.Repeat(fill, total - left)), self.IsMarkup);
    }

    /// <summary>Python's <c>str.replace</c>; a negative <paramref name="most"/> replaces all.</summary>
    public static string ReplaceIn(RenderState state, string text, string old, string replacement, int most)
    {
        TextBuffer buffer = new(state);
        int position = 0;
        int done = 0;
        state.Characters(text.Length);
        while (most < 0 || done < most)
        {
            int next = old.Length == 0 ? position : text.IndexOf(old, position, StringComparison.Ordinal);
            if (next < 0 || (old.Length == 0 && done > 0 && position >= text.Length))
            {
                break;
            }

            if (old.Length == 0)
            {
                // An empty pattern stands before every character and at the end.
                buffer.Append(replacement);
                int width = position < text.Length ? StringValue.Width(text, position) : 0;
                buffer.Append(text.AsSpan(position, width));
                position += width;
                done++;
                if (position >= text.Length)
                {
                    if (width > 0 && (most < 0 || done < most))
                    {
                        buffer.Append(replacement);
                    }

                    break;
                }

                continue;
            }

            buffer.Append(text.AsSpan(position, next - position));
            buffer.Append(replacement);
            position = next + old.Length;
            done++;
            state.Step();
        }

        buffer.Append(text.AsSpan(position));
        return buffer.ToString();
    }

    public static string? Characters(Value? value, string function) => value switch
    {
        null or NoneValue => null,
        StringValue text => text.Text,
        _ => throw TemplateErrors.Type($"{function} arg must be None or str"),
    };

    private static Method Mapping(string name, Func<string, string> map) => (state, self, arguments) =>
    {
        NoArguments(arguments, name);
        return state.Text(map(self.Text), self.IsMarkup);
    };

    private static Method Stripping(string name, bool left, bool right) => (_, self, arguments) =>
    {
        arguments.NoKeywords($"str.{name}");
        arguments.Between(name, 0, 1);
        return new StringValue(PythonText.Strip(self.Text, Characters(arguments.At(0), name), left, right), self.IsMarkup);
    };

    private static Method Every(string name, Func<Rune, bool> test) => (_, self, arguments) =>
        Test(arguments, name, self.Text.Length > 0 && self.Text.EnumerateRunes().All(test));

    private static BooleanValue Test(Arguments arguments, string name, bool result)
    {
        NoArguments(arguments, name);
        return BooleanValue.Of(result);
    }

    private static void NoArguments(Arguments arguments, string name)
    {
        arguments.NoKeywords($"str.{name}");
        if (arguments.Count > 0)
        {
            throw TemplateErrors.Type($"str.{name}() takes no arguments ({arguments.Count} given)");
        }
    }

    private static ListValue Split(
        RenderState state, StringValue self, Arguments arguments, string name, Func<string, int, List<string>> white,
        Func<string, string, int, List<string>> split)
    {
        Value?[] bound = new Signature(name, "sep?", "maxsplit?").Bind(arguments);
        int most = bound[1] is null ? -1 : Arguments.Integer(state, bound[1]!);
        List<string> parts = bound[0] switch
        {
            null or NoneValue => white(self.Text, most),
            StringValue { Text.Length: 0 } => throw TemplateErrors.Value("empty separator"),
            StringValue separator => split(self.Text, separator.Text, most),
            _ => throw TemplateErrors.Type($"must be str or None, not {bound[0]!.TypeName}"),
        };
        return Strings(state, self, parts);
    }

    private static ListValue SplitLines(RenderState state, StringValue self, Arguments arguments)
    {
        Value?[] bound = new Signature("splitlines", "keepends?").Bind(arguments);
        return Strings(state, self, PythonText.SplitLines(self.Text, bound[0]?.IsTrue ?? false));
    }

    private static ListValue Strings(RenderState state, StringValue self, List<string> parts)
    {
        state.CheckItems(parts.Count);
        return new ListValue([.. parts.Select(part => new StringValue(part, self.IsMarkup))]);
    }

    private static TupleValue Partition(RenderState state, StringValue self, Arguments arguments, string name, bool fromRight)
    {
        arguments.Exactly($"str.{name}", 1);
        string separator = String(arguments[0]);
        if (separator.Length == 0)
        {
            throw TemplateErrors.Value("empty separator");
        }

        string text = self.Text;
        int index = fromRight
            ? text.LastIndexOf(separator, StringComparison.Ordinal)
            : text.IndexOf(separator, StringComparison.Ordinal);
        string[] parts = index >= 0 ? [text[..index], separator, text[(index + separator.Length)..]]
            : fromRight ? ["", "", text] : [text, "", ""];
        return new TupleValue(Strings(state, self, [.. parts]).Items);
    }

    private static StringValue Join(RenderState state, StringValue self, Arguments arguments)
    {
        arguments.Exactly("str.join", 1);
        using IEnumerator<Value> items = arguments[0].Iterate(state) ?? throw TemplateErrors.Type("can only join an iterable");
        TextBuffer buffer = new(state);
        bool isMarkup = self.IsMarkup;
        for (int i = 0; items.MoveNext(); i++)
        {
            state.Step();
            if (items.Current is not StringValue part && !isMarkup)
            {
                throw TemplateErrors.Type($"sequence item {i}: expected str instance, {items.Current.TypeName} found");
            }

            buffer.Append(i > 0 ? self.Text : "");
            buffer.Append(isMarkup ? Html.Escape(state, items.Current).Text : ((StringValue)items.Current).Text);
        }

        return state.Text(buffer.ToString(), isMarkup);
    }

    private static StringValue Replace(RenderState state, StringValue self, Arguments arguments)
    {
        arguments.NoKeywords("str.replace");
        arguments.Between("replace", 2, 3);
        for (int i = 0; i < 2; i++)
        {
            if (arguments[i] is not StringValue)
            {
                throw TemplateErrors.Type($"replace() argument {i + 1} must be str, not {arguments[i].TypeName}");
            }
        }

        int most = arguments.At(2) is { } count ? Arguments.Integer(state, count) : -1;
        string replacement = self.IsMarkup ? Html.Escape(state, arguments[1]).Text : String(arguments[1]);
        return state.Text(ReplaceIn(state, self.Text, String(arguments[0]), replacement, most), self.IsMarkup);
    }

    private static StringValue Remove(StringValue self, Arguments arguments, string name, Func<string, string, string> remove)
    {
        arguments.Exactly($"str.{name}", 1);
        return arguments[0] is StringValue part
            ? new StringValue(remove(self.Text, part.Text), self.IsMarkup)
            : throw TemplateErrors.Type($"{name}() argument must be str, not {arguments[0].TypeName}");
    }

    private static BooleanValue Affix(RenderState state, StringValue self, Arguments arguments, string name, Func<string, string, bool> has)
    {
        arguments.NoKeywords($"str.{name}");
        Least(arguments, name, 1, 3);
        (int start, int end) = Range(state, self, arguments);
        if (arguments[0] is not (StringValue or TupleValue))
        {
            throw TemplateErrors.Type($"{name} first arg must be str or a tuple of str, not {arguments[0].TypeName}");
        }

        IReadOnlyList<Value> candidates = arguments[0] is TupleValue tuple ? tuple.Items : [arguments[0]];
        string part = start > end ? "" : self.Part(start, end - start);
        foreach (Value candidate in candidates)
        {
            state.Step();
            if (candidate is not StringValue affix)
            {
                throw TemplateErrors.Type($"tuple for {name} must only contain str, not {candidate.TypeName}");
            }

            if (start <= end && has(part, affix.Text))
            {
                return BooleanValue.True;
            }
        }

        return BooleanValue.False;
    }

    private static long Find(RenderState state, StringValue self, Arguments arguments, string name, bool fromRight)
    {
        arguments.NoKeywords($"str.{name}");
        Least(arguments, name, 1, 3);
        string wanted = String(arguments[0]);
        (int start, int end) = Range(state, self, arguments);
        if (start > end)
        {
            return -1;
        }

        int first = self.Start(start);
        ReadOnlySpan<char> within = self.Text.AsSpan(first, self.Start(end) - first);
        int unit = !fromRight ? within.IndexOf(wanted, StringComparison.Ordinal)
            : wanted.Length == 0 ? within.Length
            : within.LastIndexOf(wanted, StringComparison.Ordinal);
        return unit < 0 ? -1 : self.IndexOfUnit(first + unit);
    }

    private static IntegerValue Index(long found) =>
        found >= 0 ? IntegerValue.Of(found) : throw TemplateErrors.Value("substring not found");

    private static IntegerValue Count(RenderState state, StringValue self, Arguments arguments)
    {
        arguments.NoKeywords("str.count");
        Least(arguments, "count", 1, 3);
        string wanted = String(arguments[0]);
        (int start, int end) = Range(state, self, arguments);
        if (start > end)
        {
            return IntegerValue.Of(0);
        }

        if (wanted.Length == 0)
        {
            return IntegerValue.Of(end - start + 1);
        }

        string within = self.Part(start, end - start);
        int count = 0;
        for (int i = within.IndexOf(wanted, StringComparison.Ordinal); i >= 0;
             i = within.IndexOf(wanted, i + wanted.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return IntegerValue.Of(count);
    }

    private static StringValue Pad(RenderState state, StringValue self, Arguments arguments, string name, Func<int, int, int> before)
    {
        arguments.NoKeywords($"str.{name}");
        arguments.Between(name, 1, 2);
        int width = Arguments.Integer(state, arguments[0]);
        string fill = arguments.At(1) switch
        {
            null => " ",
            StringValue { Count: 1 } one => one.Text,
            StringValue => throw TemplateErrors.Type("The fill character must be exactly one character long"),
            _ => throw TemplateErrors.Type($"The fill character must be a unicode character, not {arguments[1].TypeName}"),
        };
        return PadTo(state, self, width, fill, before);
    }

    private static StringValue ZeroFill(RenderState state, StringValue self, Arguments arguments)
    {
        arguments.Exactly("str.zfill", 1);
        int missing = Arguments.Integer(state, arguments[0]) - self.Count;
        if (missing <= 0)
        {
            return self;
        }

        state.CheckLength((long)missing + self.Text.Length);
        int sign = self.Text.Length > 0 && self.Text[0] is '+' or '-' ? 1 : 0;
        return new StringValue(self.Text[..sign] + new string('0', missing) + self.Text[sign..], self.IsMarkup);
    }

    private static StringValue ExpandTabs(RenderState state, StringValue self, Arguments arguments)
    {
        Value?[] bound = new Signature("expandtabs", "tabsize?").Bind(arguments);
        int size = bound[0] is null ? 8 : Arguments.Integer(state, bound[0]!);
        TextBuffer buffer = new(state);
        long column = 0;
        foreach (Rune rune in self.Text.EnumerateRunes())
        {
            if (rune.Value == '\t')
            {
                long width = size <= 0 ? 0 : size - column % size;
                buffer.Append(' ', width);
                column += width;
                continue;
            }

            buffer.Append(rune);
            column = rune.Value is '\n' or '\r' ? 0 : column + 1;
        }

        return state.Text(buffer.ToString(), self.IsMarkup);
    }

    private static StringValue FormatMap(RenderState state, StringValue self, Arguments arguments)
    {
        if (arguments.HasNames)
        {
            throw TemplateErrors.Type("format_map() takes no keyword arguments");
        }

        return arguments.Count == 1
            ? state.Text(StrFormat.Format(state, self, Arguments.None, arguments[0]), self.IsMarkup)
            : throw TemplateErrors.Type($"format_map() takes exactly one argument ({arguments.Count} given)");
    }

    private static void Least(Arguments arguments, string name, int least, int most)
    {
        if (arguments.Count < least || arguments.Count > most)
        {
            (string bound, int limit) = arguments.Count < least ? ("at least", least) : ("at most", most);
            throw TemplateErrors.Type($"{name}() takes {bound} {limit} argument{(limit == 1 ? "" : "s")} ({arguments.Count} given)");
        }
    }

    // Start may lie behind the end: then nothing is found, not even the empty string.
    private static (int Start, int End) Range(RenderState state, StringValue self, Arguments arguments)
    {
        int start = Bound(arguments.At(1), 0);
        int end = Math.Min(self.Count, Bound(arguments.At(2), self.Count));
        return (start, end);

        int Bound(Value? value, int otherwise)
        {
            if (value is null or NoneValue)
            {
                return otherwise;
            }

            if (!value.TryInteger(out _))
            {
                throw TemplateErrors.Type("slice indices must be integers or None or have an __index__ method");
            }

            int index = Arguments.Integer(state, value);
            return index < 0 ? Math.Max(0, index + self.Count) : index;
        }
    }

    private static string String(Value value) => value is StringValue text
        ? text.Text
        : throw TemplateErrors.Type($"must be str, not {value.TypeName}");

    private static bool IsAlphabetic(Rune rune) => Rune.IsLetter(rune);

    private static bool IsDecimal(Rune rune) => CharUnicodeInfo.GetDecimalDigitValue(rune.ToString(), 0) >= 0;

    private static bool IsNumeric(Rune rune) => CharUnicodeInfo.GetNumericValue(rune.ToString(), 0) >= 0 || Rune.IsNumber(rune);

    private static bool IsTitle(string text)
    {
        bool any = false;
        bool afterCased = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool capital = CaseMapping.IsUpper(rune) || CaseMapping.IsTitle(rune);
            if (capital ? afterCased : CaseMapping.IsLower(rune) && !afterCased)
            {
                return false;
            }

            afterCased = CaseMapping.IsCased(rune);
            any |= afterCased;
        }

        return any;
    }
}
