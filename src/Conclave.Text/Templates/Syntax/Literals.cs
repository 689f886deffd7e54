namespace Conclave.Text;

internal sealed class ConstantExpression(int line, Value value) : Expression(line)
{
    public Value Value => value;

    public override IEnumerable<Expression> Children => [];

    protected override Value Compute(Activation activation) => value;
}

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    public string Name => name;

    public VariableReference Variable { get; set; }

    public override IEnumerable<Expression> Children => [];

    protected override Value Compute(Activation activation) => activation.Get(Variable) ?? UndefinedValue.OfName(name);
}

internal sealed class TupleExpression(int line, IReadOnlyList<Expression> items) : Expression(line)
{
    public IReadOnlyList<Expression> Items => items;

    public override IEnumerable<Expression> Children => items;

    protected override Value Compute(Activation activation) => new TupleValue([.. items.Select(item => item.Evaluate(activation))]);
}

internal sealed class ListExpression(int line, IReadOnlyList<Expression> items) : Expression(line)
{
    public override IEnumerable<Expression> Children => items;

    protected override Value Compute(Activation activation) => new ListValue([.. items.Select(item => item.Evaluate(activation))]);
}

internal sealed class DictExpression(int line, IReadOnlyList<(Expression Key, Expression Value)> items) : Expression(line)
{
    public override IEnumerable<Expression> Children => items.SelectMany(item => new[] { item.Key, item.Value });

    protected override Value Compute(Activation activation)
    {
        OrderedDictionary<Value, Value> dict = DictValue.NewItems(items.Count);
        foreach ((Expression key, Expression value) in items)
        {
            Value name = key.Evaluate(activation);
            activation.State.Step(name.Weight);
            dict[name] = value.Evaluate(activation);
        }

        return new DictValue(dict);
    }
}
