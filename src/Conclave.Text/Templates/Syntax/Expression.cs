namespace Conclave.Text;

/// <summary>An expression of a template; evaluates itself.</summary>
internal abstract class Expression(int line)
{
    public int Line => line;

    /// <summary>Expressions directly below, in the order in which Jinja visits them.</summary>
    public abstract IEnumerable<Expression> Children { get; }

    public Value Evaluate(Activation activation)
    {
        activation.State.Step();
        RenderState.EnsureStack();
        return Compute(activation);
    }

    protected abstract Value Compute(Activation activation);
}
