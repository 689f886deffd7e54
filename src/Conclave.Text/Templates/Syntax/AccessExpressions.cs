namespace Conclave.Text;

internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    public override IEnumerable<Expression> Children => [target];

    protected override Value Compute(Activation activation) => Lookup.Attribute(activation.State, target.Evaluate(activation), name);
}

internal sealed class ItemExpression(int line, Expression target, Expression key) : Expression(line)
{
    public override IEnumerable<Expression> Children => [target, key];

    protected override Value Compute(Activation activation)
    {
        Value value = target.Evaluate(activation);
        return Lookup.Item(activation.State, value, key.Evaluate(activation));
    }
}

internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    public override IEnumerable<Expression> Children
    {
        get
        {
            yield return target;
            foreach (Expression? bound in new[] { start, stop, step })
            {
                if (bound is not null)
                {
                    yield return bound;
                }
            }
        }
    }

    protected override Value Compute(Activation activation)
    {
        Value value = target.Evaluate(activation);
        return value.Slice(activation.State, start?.Evaluate(activation), stop?.Evaluate(activation), step?.Evaluate(activation));
    }
}
