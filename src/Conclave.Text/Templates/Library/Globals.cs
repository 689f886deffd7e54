using System.Numerics;

namespace Conclave.Text;

/// <summary>The names that every template finds: Jinja's and those that transformers adds.</summary>
internal static class Globals
{
    private static readonly Signature RaiseParameters = new("raise_exception", "message");
    private static readonly Signature ClockParameters = new("strftime_now", "format");
    private static readonly Signature JoinerParameters = new("Joiner.__init__", "sep?");

    private static readonly Dictionary<string, Value> Names = new(StringComparer.Ordinal)
    {
        ["range"] = BuiltinFunction.Global("safe_range", Range),
        ["dict"] = BuiltinFunction.Class("dict", (state, arguments) => new DictValue(Mapping(state, arguments))),
        ["namespace"] = BuiltinFunction.Class("jinja2.utils.Namespace", (state, arguments) => new NamespaceValue(Mapping(state, arguments))),
        ["cycler"] = BuiltinFunction.Class("jinja2.utils.Cycler", (_, arguments) => new CyclerValue(arguments)),
        ["joiner"] = BuiltinFunction.Class("jinja2.utils.Joiner", (_, arguments) =>
            new JoinerValue(JoinerParameters.Bind(arguments)[0] ?? new StringValue(", "))),
        ["lipsum"] = BuiltinFunction.Global("generate_lorem_ipsum", (_, _) =>
            throw new TemplateException(TemplateErrorKind.SecurityError, "lipsum is random text, which templates here cannot make")),
        ["raise_exception"] = BuiltinFunction.Global("raise_exception", (state, arguments) =>
            throw new TemplateException(TemplateErrorKind.TemplateError, Message(state, RaiseParameters.Bind(arguments)[0]!))),
        ["strftime_now"] = BuiltinFunction.Global("strftime_now", Now),
    };

    public static Value? Find(string name) => Names.GetValueOrDefault(name);

    private static string Message(RenderState state, Value value) => value is NoneValue ? "None" : value.ToText(state);

    private static RangeValue Range(RenderState state, Arguments arguments)
    {
        arguments.NoKeywords("range");
        arguments.Between("range", 1, 3);
        BigInteger[] bounds = [.. arguments.Positional.Select(value => value.TryInteger(out BigInteger? number)
            ? number.Value
            : throw TemplateErrors.NotAnInteger(value))];
        return bounds.Length == 1
            ? new RangeValue(0, bounds[0], 1)
            : new RangeValue(bounds[0], bounds[1], bounds.Length == 3 ? bounds[2] : 1);
    }

    /// <summary>What <c>dict(...)</c> makes of a mapping or of pairs, and of named arguments.</summary>
    private static OrderedDictionary<Value, Value> Mapping(RenderState state, Arguments arguments)
    {
        arguments.Between("dict", 0, 1);
        OrderedDictionary<Value, Value> items = DictValue.NewItems();
        if (arguments.At(0) is DictValue dict)
        {
            foreach ((Value key, Value value) in dict.Items)
            {
                items[key] = value;
            }
        }
        else if (arguments.At(0) is { } pairs)
        {
            AddPairs(state, pairs, items);
        }

        if (arguments.Named is not null)
        {
            foreach ((string name, Value value) in arguments.Named)
            {
                items[new StringValue(name)] = value;
            }
        }

        state.CheckItems(items.Count);
        return items;
    }

    private static void AddPairs(RenderState state, Value pairs, OrderedDictionary<Value, Value> items)
    {
        using IEnumerator<Value> walk = pairs.IterateOrThrow(state);
        for (int i = 0; walk.MoveNext(); i++)
        {
            state.Step();
            if (walk.Current.Iterate(state) is null)
            {
                throw TemplateErrors.Type($"cannot convert dictionary update sequence element #{i} to a sequence");
            }

            List<Value> pair = walk.Current.ToList(state);
            if (pair.Count != 2)
            {
                throw TemplateErrors.Value($"dictionary update sequence element #{i} has length {pair.Count}; 2 is required");
            }

            state.Step(pair[0].Weight);
            items[pair[0]] = pair[1];
        }
    }

    private static StringValue Now(RenderState state, Arguments arguments)
    {
        Value format = ClockParameters.Bind(arguments)[0]!;
        if (format is not StringValue text)
        {
            throw TemplateErrors.Type($"strftime() argument 1 must be str, not {format.TypeName}");
        }

        return state.Text(Strftime.Format(new TextBuffer(state), state.Clock.GetLocalNow().DateTime, text.Text));
    }
}
