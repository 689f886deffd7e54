namespace Conclave.Text;

/// <summary>Filters that sort, group and compare.</summary>
internal static class OrderFilters
{
    private static readonly Signature SortParameters = new("do_sort", "value", "reverse?", "case_sensitive?", "attribute?");
    private static readonly Signature DictSortParameters = new("do_dictsort", "value", "case_sensitive?", "by?", "reverse?");
    private static readonly Signature GroupParameters = new("do_groupby", "value", "attribute", "default?", "case_sensitive?");
    private static readonly Signature UniqueParameters = new("do_unique", "value", "case_sensitive?", "attribute?");
    private static readonly Signature MinParameters = new("do_min", "value", "case_sensitive?", "attribute?");
    private static readonly Signature MaxParameters = new("do_max", "value", "case_sensitive?", "attribute?");

    public static Value Sort(RenderState state, Arguments arguments)
    {
        Value?[] bound = SortParameters.Bind(arguments);
        bool caseSensitive = bound[2]?.IsTrue ?? false;
        AttributeGetter[] getters = bound[3] is StringValue names
            ? [.. names.Text.Split(',').Select(name => new AttributeGetter(new StringValue(name)))]
            : [new AttributeGetter(bound[3])];
        List<Value> items = bound[0]!.ToList(state);
        return new ListValue(Comparison.Sort(
            state, items,
            item => new ListValue([.. getters.Select(getter => AttributeGetter.Fold(state, getter.Get(state, item), caseSensitive))]),
            bound[1]?.IsTrue ?? false));
    }

    public static Value DictSort(RenderState state, Arguments arguments)
    {
        Value?[] bound = DictSortParameters.Bind(arguments);
        bool caseSensitive = bound[1]?.IsTrue ?? false;
        int position = bound[2] is null ? 0 : (bound[2] as StringValue)?.Text switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw TemplateErrors.Argument("You can only sort by either \"key\" or \"value\""),
        };
        if (bound[0] is not DictValue dict)
        {
            throw bound[0]!.UndefinedError() ?? TemplateErrors.NoAttribute(bound[0]!, "items");
        }

        List<Value> items = new DictViewValue(dict, DictViewKind.Items).ToList(state);
        return new ListValue(Comparison.Sort(
            state, items, item => AttributeGetter.Fold(state, ((TupleValue)item).Items[position], caseSensitive), bound[3]?.IsTrue ?? false));
    }

    public static Value GroupBy(RenderState state, Arguments arguments)
    {
        Value?[] bound = GroupParameters.Bind(arguments);
        AttributeGetter getter = new(bound[1], bound[2]);
        bool caseSensitive = bound[3]?.IsTrue ?? false;
        Value Key(Value item) => AttributeGetter.Fold(state, getter.Get(state, item), caseSensitive);
        List<Value> sorted = Comparison.Sort(state, bound[0]!.ToList(state), Key, reverse: false);
        List<Value> groups = [];
        for (int start = 0; start < sorted.Count;)
        {
            Value key = Key(sorted[start]);
            int end = start + 1;
            while (end < sorted.Count && Comparison.AreEqual(state, key, Key(sorted[end])))
            {
                end++;
            }

            Value shown = caseSensitive ? key : getter.Get(state, sorted[start]);
            groups.Add(new GroupValue(shown, new ListValue(sorted[start..end])));
            start = end;
        }

        return new ListValue(groups);
    }

    public static Value Unique(RenderState state, Arguments arguments)
    {
        Value?[] bound = UniqueParameters.Bind(arguments);
        return GeneratorValue.Of("sync_do_unique", Walk());

        IEnumerable<Value> Walk()
        {
            AttributeGetter getter = new(bound[2]);
            HashSet<Value> seen = new(ValueComparer.Instance);
            using IEnumerator<Value> items = bound[0]!.IterateOrThrow(state);
            while (items.MoveNext())
            {
                Value key = AttributeGetter.Fold(state, getter.Get(state, items.Current), bound[1]?.IsTrue ?? false);
                state.Step(key.Weight);
                if (seen.Add(key))
                {
                    yield return items.Current;
                }
            }
        }
    }

    public static Value Min(RenderState state, Arguments arguments) => Extreme(state, MinParameters.Bind(arguments), Comparison.Less);

    public static Value Max(RenderState state, Arguments arguments) => Extreme(state, MaxParameters.Bind(arguments), Comparison.Greater);

    private static Value Extreme(RenderState state, Value?[] bound, Func<RenderState, Value, Value, bool> isBetter)
    {
        AttributeGetter getter = new(bound[2]);
        Value? best = null;
        Value? bestKey = null;
        using IEnumerator<Value> items = bound[0]!.IterateOrThrow(state);
        while (items.MoveNext())
        {
            Value key = AttributeGetter.Fold(state, getter.Get(state, items.Current), bound[1]?.IsTrue ?? false);
            if (bestKey is null || isBetter(state, key, bestKey))
            {
                (best, bestKey) = (items.Current, key);
            }
        }

        return best ?? UndefinedValue.OfHint("No aggregated item, sequence was empty.");
    }
}
