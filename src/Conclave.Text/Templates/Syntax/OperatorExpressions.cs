namespace Conclave.Text;

internal sealed class ConditionalExpression(int line, string template, Expression test, Expression then, Expression? otherwise) : Expression(line)
{
    public override IEnumerable<Expression> Children => otherwise is null ? [test, then] : [test, then, otherwise];

    protected override Value Compute(Activation activation) => test.Evaluate(activation).IsTrue
        ? then.Evaluate(activation)
        : otherwise?.Evaluate(activation) ?? UndefinedValue.OfHint(
            $"the inline if-expression on line {Line} in {StringRepr.Quote(template)} evaluated to false and no else section was defined.");
}

internal sealed class LogicalExpression(int line, bool isOr, Expression left, Expression right) : Expression(line)
{
    public override IEnumerable<Expression> Children => [left, right];

    protected override Value Compute(Activation activation)
    {
        Value value = left.Evaluate(activation);
        return value.IsTrue == isOr ? value : right.Evaluate(activation);
    }
}

internal sealed class NotExpression(int line, Expression operand) : Expression(line)
{
    public override IEnumerable<Expression> Children => [operand];

    protected override Value Compute(Activation activation) => BooleanValue.Of(!operand.Evaluate(activation).IsTrue);
}

internal sealed class SignExpression(int line, bool negates, Expression operand) : Expression(line)
{
    public override IEnumerable<Expression> Children => [operand];

    protected override Value Compute(Activation activation)
    {
        Value value = operand.Evaluate(activation);
        return negates ? Operators.Negate(value) : Operators.Plus(value);
    }
}

internal sealed class ArithmeticExpression(int line, string symbol, Expression left, Expression right) : Expression(line)
{
    public override IEnumerable<Expression> Children => [left, right];

    protected override Value Compute(Activation activation)
    {
        Value a = left.Evaluate(activation);
        Value b = right.Evaluate(activation);
        RenderState state = activation.State;
        return symbol switch
        {
            "+" => Operators.Add(state, a, b),
            "-" => Operators.Subtract(a, b),
            "*" => Operators.Multiply(state, a, b),
            "/" => Operators.Divide(a, b),
            "//" => Operators.FloorDivide(state, a, b),
            "%" => Operators.Modulo(state, a, b),
            _ => Operators.Power(state, a, b),
        };
    }
}

internal sealed class ConcatenationExpression(int line, IReadOnlyList<Expression> parts) : Expression(line)
{
    public override IEnumerable<Expression> Children => parts;

    protected override Value Compute(Activation activation)
    {
        Value[] values = [.. parts.Select(part => part.Evaluate(activation))];
        TextBuffer buffer = new(activation.State);
        foreach (Value value in values)
        {
            value.WriteText(buffer);
        }

        return activation.State.Text(buffer.ToString());
    }
}

internal sealed class ComparisonExpression(int line, Expression first, IReadOnlyList<(string Symbol, Expression Operand)> rest) : Expression(line)
{
    public override IEnumerable<Expression> Children => [first, .. rest.Select(part => part.Operand)];

    protected override Value Compute(Activation activation)
    {
        Value left = first.Evaluate(activation);
        foreach ((string symbol, Expression operand) in rest)
        {
            Value right = operand.Evaluate(activation);
            if (!Holds(activation.State, symbol, left, right))
            {
                return BooleanValue.False;
            }

            left = right;
        }

        return BooleanValue.True;
    }

    private static bool Holds(RenderState state, string symbol, Value left, Value right) => symbol switch
    {
        "==" => Comparison.AreEqual(state, left, right),
        "!=" => !Comparison.AreEqual(state, left, right),
        "<" => Comparison.Less(state, left, right),
        "<=" => Comparison.LessOrEqual(state, left, right),
        ">" => Comparison.Greater(state, left, right),
        ">=" => Comparison.GreaterOrEqual(state, left, right),
        "in" => right.Contains(state, left),
        _ => !right.Contains(state, left),
    };
}
