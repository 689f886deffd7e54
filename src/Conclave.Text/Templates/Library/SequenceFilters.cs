namespace Conclave.Text;

/// <summary>Filters over things that can be iterated, and those that pass any value on.</summary>
internal static class SequenceFilters
{
    private static readonly Signature ListParameters = new("do_list", "value");
    private static readonly Signature FirstParameters = new("do_first", "seq");
    private static readonly Signature LastParameters = new("do_last", "seq");
    private static readonly Signature ItemsParameters = new("do_items", "value");
    private static readonly Signature ReverseParameters = new("do_reverse", "value");
    private static readonly Signature AttrParameters = new("do_attr", "obj", "name");
    private static readonly Signature BatchParameters = new("do_batch", "value", "linecount", "fill_with?");
    private static readonly Signature SliceParameters = new("do_slice", "value", "slices", "fill_with?");
    private static readonly Signature DefaultParameters = new("do_default", "value", "default_value?", "boolean?");
    private static readonly Signature JoinParameters = new("do_join", "value", "d?", "attribute?");

    public static Value Attr(RenderState state, Arguments arguments)
    {
        Value?[] bound = AttrParameters.Bind(arguments);
        return bound[1] is StringValue name
            ? Lookup.Safe(state, bound[0]!, name.Text) ?? UndefinedValue.OfMember(state, bound[0]!, name)
            : throw TemplateErrors.Type("attribute name must be string, not '" + bound[1]!.TypeName + "'");
    }

    public static Value Default(RenderState state, Arguments arguments)
    {
        Value?[] bound = DefaultParameters.Bind(arguments);
        bool replace = bound[0] is UndefinedValue || ((bound[2]?.IsTrue ?? false) && !bound[0]!.IsTrue);
        return replace ? bound[1] ?? StringValue.Empty : bound[0]!;
    }

    public static Value Length(RenderState state, Arguments arguments)
    {
        arguments.Exactly("len", 1);
        return arguments[0].Length is { } length
            ? IntegerValue.Of(length)
            : throw TemplateErrors.Type($"object of type '{arguments[0].TypeName}' has no len()");
    }

    public static Value List(RenderState state, Arguments arguments) => new ListValue(ListParameters.Bind(arguments)[0]!.ToList(state));

    public static Value First(RenderState state, Arguments arguments)
    {
        using IEnumerator<Value> items = FirstParameters.Bind(arguments)[0]!.IterateOrThrow(state);
        return items.MoveNext() ? items.Current : UndefinedValue.OfHint("No first item, sequence was empty.");
    }

    public static Value Last(RenderState state, Arguments arguments)
    {
        Value value = LastParameters.Bind(arguments)[0]!;
        using IEnumerator<Value> items = value.IterateReversed(state)
            ?? throw TemplateErrors.Type($"'{value.TypeName}' object is not reversible");
        return items.MoveNext() ? items.Current : UndefinedValue.OfHint("No last item, sequence was empty.");
    }

    public static Value Items(RenderState state, Arguments arguments)
    {
        Value value = ItemsParameters.Bind(arguments)[0]!;
        return GeneratorValue.Of("do_items", Walk());

        IEnumerable<Value> Walk()
        {
            if (value is UndefinedValue)
            {
                yield break;
            }

            DictValue dict = value as DictValue ?? throw TemplateErrors.Type("Can only get item pairs from a mapping.");
            foreach ((Value key, Value item) in dict.Items)
            {
                yield return new TupleValue([key, item]);
            }
        }
    }

    public static Value Join(RenderState state, Arguments arguments)
    {
        Value?[] bound = JoinParameters.Bind(arguments);
        string separator = bound[1]?.ToText(state) ?? "";
        AttributeGetter getter = new(bound[2]);
        TextBuffer buffer = new(state);
        using IEnumerator<Value> items = bound[0]!.IterateOrThrow(state);
        for (bool first = true; items.MoveNext(); first = false)
        {
            state.Step();
            buffer.Append(first ? "" : separator);
            getter.Get(state, items.Current).WriteText(buffer);
        }

        return state.Text(buffer.ToString());
    }

    public static Value Reverse(RenderState state, Arguments arguments)
    {
        Value value = ReverseParameters.Bind(arguments)[0]!;
        if (value is StringValue text)
        {
            return text.Slice(state, null, null, IntegerValue.Of(-1));
        }

        if (value.IterateReversed(state) is { } backwards)
        {
            string typeName = value switch
            {
                ListValue => "list_reverseiterator",
                RangeValue => "range_iterator",
                DictValue => "dict_reversekeyiterator",
                _ => "reversed",
            };
            return new GeneratorValue(typeName, "", backwards);
        }

        try
        {
            List<Value> items = value.ToList(state);
            items.Reverse();
            return new ListValue(items);
        }
        catch (TemplateException e) when (e.Kind == TemplateErrorKind.TypeError)
        {
            // Also where a lazy value fails with a TypeError of its own.
            throw TemplateErrors.Argument("argument must be iterable");
        }
    }

    public static Value Batch(RenderState state, Arguments arguments)
    {
        Value?[] bound = BatchParameters.Bind(arguments);
        return GeneratorValue.Of("do_batch", Walk());

        IEnumerable<Value> Walk()
        {
            List<Value> batch = [];
            using IEnumerator<Value> items = bound[0]!.IterateOrThrow(state);
            while (items.MoveNext())
            {
                state.Step();
                if (IntegerValue.Of(batch.Count).EqualTo(bound[1]!))
                {
                    yield return new ListValue(batch);
                    batch = [];
                }

                batch.Add(items.Current);
            }

            if (batch.Count > 0)
            {
                if (bound[2] is { } filler and not NoneValue)
                {
                    int missing = Math.Max(0, Arguments.Integer(state, bound[1]!) - batch.Count);
                    state.CheckItems(missing);
                    batch.AddRange(Enumerable.Repeat(filler, missing));
                }

                yield return new ListValue(batch);
            }
        }
    }

    public static Value Slice(RenderState state, Arguments arguments)
    {
        Value?[] bound = SliceParameters.Bind(arguments);
        return GeneratorValue.Of("sync_do_slice", Walk());

        IEnumerable<Value> Walk()
        {
            List<Value> items = bound[0]!.ToList(state);
            int slices = Arguments.Integer(state, bound[1]!);
            if (slices == 0)
            {
                throw TemplateErrors.ZeroDivision("integer division or modulo by zero");
            }

            int start = 0;
            for (int slice = 0; slice < slices; slice++)
            {
                bool longer = slice < items.Count % slices;
                int count = items.Count / slices + (longer ? 1 : 0);
                state.Step(1 + count);
                List<Value> part = items.GetRange(start, count);
                if (bound[2] is { } filler and not NoneValue && !longer)
                {
                    part.Add(filler);
                }

                start += count;
                yield return new ListValue(part);
            }
        }
    }
}
