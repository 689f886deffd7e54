namespace Conclave.Text;

internal sealed class DataStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Activation activation, TextBuffer output)
    {
        output.Append(text);
        return Flow.Next;
    }
}

internal sealed class PrintStatement(int line, Expression expression) : Statement(line)
{
    public Expression Expression => expression;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        expression.Evaluate(activation).WriteText(output);
        return Flow.Next;
    }
}

internal sealed class FlowStatement(int line, Flow flow) : Statement(line)
{
    public Flow Flow => flow;

    protected override Flow Run(Activation activation, TextBuffer output) => flow;
}

internal sealed class IfStatement(
    int line, IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> branches, IReadOnlyList<Statement> otherwise) : Statement(line)
{
    public IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> Branches => branches;

    public IReadOnlyList<Statement> Otherwise => otherwise;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        foreach ((Expression test, IReadOnlyList<Statement> body) in branches)
        {
            if (test.Evaluate(activation).IsTrue)
            {
                return ExecuteAll(body, activation, output);
            }
        }

        return ExecuteAll(otherwise, activation, output);
    }
}

internal sealed class AssignStatement(int line, AssignmentTarget target, Expression value) : Statement(line)
{
    public AssignmentTarget Target => target;

    public Expression Value => value;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        foreach (NamespaceTarget part in target.Leaves.OfType<NamespaceTarget>())
        {
            part.Check(activation);
        }

        target.Assign(activation, value.Evaluate(activation));
        return Flow.Next;
    }
}

/// <summary>A statement whose body has a scope of its own, which <see cref="Loads"/> fills on entry.</summary>
internal abstract class ScopedStatement(int line, IReadOnlyList<Statement> body) : Statement(line)
{
    public IReadOnlyList<Statement> Body => body;

    public IReadOnlyList<ScopeLoad> Loads { get; set; } = [];
}

internal sealed class AssignBlockStatement(int line, AssignmentTarget target, FilterExpression? filter, IReadOnlyList<Statement> body)
    : ScopedStatement(line, body)
{
    public AssignmentTarget Target => target;

    public FilterExpression? Filter => filter;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        activation.Enter(Loads);
        TextBuffer block = new(activation.State);
        Flow flow = ExecuteAll(Body, activation, block);
        if (flow != Flow.Next)
        {
            return flow;
        }

        Value text = new StringValue(block.ToString());
        target.Assign(activation, filter?.Apply(activation, text) ?? text);
        return Flow.Next;
    }
}

internal sealed class FilterBlockStatement(int line, FilterExpression filter, IReadOnlyList<Statement> body) : ScopedStatement(line, body)
{
    public FilterExpression Filter => filter;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        activation.Enter(Loads);
        TextBuffer block = new(activation.State);
        Flow flow = ExecuteAll(Body, activation, block);
        if (flow == Flow.Next)
        {
            filter.Apply(activation, new StringValue(block.ToString())).WriteText(output);
        }

        return flow;
    }
}

internal sealed class WithStatement(int line, IReadOnlyList<(AssignmentTarget Target, Expression Value)> bindings, IReadOnlyList<Statement> body)
    : ScopedStatement(line, body)
{
    public IReadOnlyList<(AssignmentTarget Target, Expression Value)> Bindings => bindings;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        activation.Enter(Loads);
        foreach ((AssignmentTarget target, Expression value) in bindings)
        {
            target.Assign(activation, value.Evaluate(activation));
        }

        return ExecuteAll(Body, activation, output);
    }
}
