namespace Conclave.Text;

/// <summary>Python's dict, in the order of insertion.</summary>
internal sealed class DictValue : Value
{
    private static readonly HashSet<string> Mutators = new(StringComparer.Ordinal) { "clear", "pop", "popitem", "setdefault", "update" };

    public DictValue(OrderedDictionary<Value, Value> items)
    {
        Items = items;
        (int keyDepth, long keyWeight) = SequenceValue.Measure(items.Keys);
        (int depth, long weight) = SequenceValue.Measure(items.Values);
        Depth = Math.Max(keyDepth, depth);
        Weight = keyWeight + weight;
    }

    public OrderedDictionary<Value, Value> Items { get; }

    public override string TypeName => "dict";

    public override bool IsTrue => Items.Count > 0;

    public override int Depth { get; }

    public override long Weight { get; }

    public override int? Length => Items.Count;

    public override bool HasItems => true;

    public static OrderedDictionary<Value, Value> NewItems(int capacity = 0) => new(capacity, ValueComparer.Instance);

    public override void WriteRepr(TextBuffer buffer)
    {
        RenderState.EnsureStack();
        buffer.Append('{');
        bool first = true;
        foreach ((Value key, Value value) in Items)
        {
            if (!first)
            {
                buffer.Append(", ");
            }

            first = false;
            key.WriteRepr(buffer);
            buffer.Append(": ");
            value.WriteRepr(buffer);
        }

        buffer.Append('}');
    }

    public override IEnumerator<Value> Iterate(RenderState state) => Items.Keys.GetEnumerator();

    public override IEnumerator<Value> IterateReversed(RenderState state)
    {
        for (int i = Items.Count - 1; i >= 0; i--)
        {
            yield return Items.GetAt(i).Key;
        }
    }

    public override bool Contains(RenderState state, Value item)
    {
        state.Step(item.Weight);
        return Items.ContainsKey(item);
    }

    public override Value? Item(RenderState state, Value key)
    {
        state.Step(key.Weight);
        return IsHashable(key) && Items.TryGetValue(key, out Value? value) ? value : null;
    }

    public override Value Slice(RenderState state, Value? start, Value? stop, Value? step) => throw TemplateErrors.Unhashable("slice");

    public override bool EqualTo(Value other)
    {
        if (ReferenceEquals(this, other))
        {
            return true;
        }

        if (other is not DictValue dict || dict.Items.Count != Items.Count)
        {
            return false;
        }

        foreach ((Value key, Value value) in Items)
        {
            if (!dict.Items.TryGetValue(key, out Value? theirs) || !(ReferenceEquals(value, theirs) || value.EqualTo(theirs)))
            {
                return false;
            }
        }

        return true;
    }

    public override int Hash() => throw TemplateErrors.Unhashable(TypeName);

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "get" => BuiltinFunction.Method(this, name, Get),
        "items" => View(name, DictViewKind.Items),
        "keys" => View(name, DictViewKind.Keys),
        "values" => View(name, DictViewKind.Values),
        "copy" => BuiltinFunction.Method(this, name, (_, arguments) =>
        {
            arguments.Exactly("dict.copy", 0);
            return this;
        }),
        _ => null,
    };

    public override bool IsHidden(string name) => Mutators.Contains(name) || name == "fromkeys" || base.IsHidden(name);

    /// <summary>A hash could be computed without an error.</summary>
    public static bool IsHashable(Value key) => key switch
    {
        ListValue or DictValue => false,
        TupleValue tuple => tuple.Items.All(IsHashable),
        _ => true,
    };

    private BuiltinFunction View(string name, DictViewKind kind) => BuiltinFunction.Method(this, name, (_, arguments) =>
    {
        arguments.Exactly($"dict.{name}", 0);
        return new DictViewValue(this, kind);
    });

    private Value Get(RenderState state, Arguments arguments)
    {
        arguments.NoKeywords("dict.get");
        arguments.Between("get", 1, 2);
        state.Step(arguments[0].Weight);
        return Items.TryGetValue(arguments[0], out Value? value) ? value : arguments.At(1) ?? NoneValue.Instance;
    }
}
