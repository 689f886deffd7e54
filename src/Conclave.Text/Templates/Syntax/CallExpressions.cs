namespace Conclave.Text;

internal sealed class CallExpression(int line, Expression target, ArgumentList arguments) : Expression(line)
{
    public override IEnumerable<Expression> Children => [target, .. arguments.Children];

    /// <summary>The call with one more named argument, the body of a call block.</summary>
    public Value Call(Activation activation, Value caller)
    {
        Value function = target.Evaluate(activation);
        return function.Call(activation.State, arguments.Evaluate(activation, caller: caller));
    }

    protected override Value Compute(Activation activation)
    {
        Value function = target.Evaluate(activation);
        return function.Call(activation.State, arguments.Evaluate(activation));
    }
}

/// <summary>A filter; its input is null where a block gives it.</summary>
internal sealed class FilterExpression(int line, Expression? input, string name, ArgumentList arguments) : Expression(line)
{
    private readonly Func<RenderState, Arguments, Value>? _filter = Filters.Find(name);

    public string Name => name;

    public bool Exists => _filter is not null;

    public override IEnumerable<Expression> Children => input is null ? arguments.Children : [input, .. arguments.Children];

    /// <summary>Applies the filter, and those before it in the chain, to the text of a block.</summary>
    public Value Apply(Activation activation, Value block)
    {
        Value value = input is FilterExpression inner ? inner.Apply(activation, block) : input?.Evaluate(activation) ?? block;
        return Run(activation, value);
    }

    protected override Value Compute(Activation activation) => Run(activation, input!.Evaluate(activation));

    private Value Run(Activation activation, Value value)
    {
        if (_filter is null)
        {
            throw TemplateErrors.Runtime($"No filter named {StringRepr.Quote(name)} found.");
        }

        return _filter(activation.State, arguments.Evaluate(activation, first: value));
    }
}

internal sealed class TestExpression(int line, Expression input, string name, ArgumentList arguments) : Expression(line)
{
    private readonly Func<RenderState, Arguments, bool>? _test = TestLibrary.Find(name);

    public string Name => name;

    public bool Exists => _test is not null;

    public override IEnumerable<Expression> Children => [input, .. arguments.Children];

    protected override Value Compute(Activation activation)
    {
        Value value = input.Evaluate(activation);
        return _test is null
            ? throw TemplateErrors.Runtime($"No test named {StringRepr.Quote(name)} found.")
            : BooleanValue.Of(_test(activation.State, arguments.Evaluate(activation, first: value)));
    }
}
