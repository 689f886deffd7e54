namespace Conclave.Text;

/// <summary>Filters that apply another filter or a test to every item, lazily as Jinja does.</summary>
internal static class SelectionFilters
{
    public static Value Map(RenderState state, Arguments arguments)
    {
        return GeneratorValue.Of("sync_do_map", Walk());

        IEnumerable<Value> Walk()
        {
            if (!arguments[0].IsTrue)
            {
                yield break;
            }

            Func<Value, Value> map = Mapping(state, arguments);
            using IEnumerator<Value> items = arguments[0].IterateOrThrow(state);
            while (items.MoveNext())
            {
                state.Step();
                yield return map(items.Current);
            }
        }
    }

    public static Value Select(RenderState state, Arguments arguments) => Choose(state, arguments, wanted: true, byAttribute: false);

    public static Value Reject(RenderState state, Arguments arguments) => Choose(state, arguments, wanted: false, byAttribute: false);

    public static Value SelectAttr(RenderState state, Arguments arguments) =>
        Choose(state, arguments, wanted: true, byAttribute: true);

    public static Value RejectAttr(RenderState state, Arguments arguments) =>
        Choose(state, arguments, wanted: false, byAttribute: true);

    private static Func<Value, Value> Mapping(RenderState state, Arguments arguments)
    {
        if (arguments.Count == 1 && arguments.Named?.GetValueOrDefault("attribute") is { } attribute)
        {
            foreach (string name in arguments.Named.Keys)
            {
                if (name is not ("attribute" or "default"))
                {
                    throw TemplateErrors.Argument($"Unexpected keyword argument {StringRepr.Quote(name)}");
                }
            }

            AttributeGetter getter = new(attribute, arguments.Named.GetValueOrDefault("default"));
            return item => getter.Get(state, item);
        }

        if (arguments.Count < 2)
        {
            throw TemplateErrors.Argument("map requires a filter argument");
        }

        Func<RenderState, Arguments, Value> filter = (arguments[1] is StringValue filterName ? Filters.Find(filterName.Text) : null)
            ?? throw NotFound(state, "filter", arguments[1]);
        Arguments rest = arguments.Skip(2);
        return item => filter(state, rest.Prepend(item));
    }

    private static GeneratorValue Choose(RenderState state, Arguments arguments, bool wanted, bool byAttribute)
    {
        return GeneratorValue.Of("select_or_reject", Walk());

        IEnumerable<Value> Walk()
        {
            if (!arguments[0].IsTrue)
            {
                yield break;
            }

            int offset = byAttribute ? 2 : 1;
            if (byAttribute && arguments.Count < 2)
            {
                throw TemplateErrors.Argument("Missing parameter for attribute name");
            }

            AttributeGetter getter = new(byAttribute ? arguments[1] : null);
            Func<RenderState, Arguments, bool>? test = arguments.At(offset) switch
            {
                null => null,
                StringValue name when TestLibrary.Find(name.Text) is { } found => found,
                { } other => throw NotFound(state, "test", other),
            };
            Arguments rest = arguments.Skip(offset + 1);
            using IEnumerator<Value> items = arguments[0].IterateOrThrow(state);
            while (items.MoveNext())
            {
                state.Step();
                Value value = getter.Get(state, items.Current);
                if ((test?.Invoke(state, rest.Prepend(value)) ?? value.IsTrue) == wanted)
                {
                    yield return items.Current;
                }
            }
        }
    }

    private static TemplateException NotFound(RenderState state, string what, Value name)
    {
        string hint = name.UndefinedError() is { } error ? $" ({error.Detail}; did you forget to quote the callable name?)" : "";
        return TemplateErrors.Runtime($"No {what} named {name.Repr(state)}.{hint}");
    }
}
