namespace Conclave.Text;

/// <summary>A statement of a template; runs itself.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    public Flow Execute(Activation activation, TextBuffer output)
    {
        activation.State.Step();
        activation.State.Line = line;
        RenderState.EnsureStack();
        return Run(activation, output);
    }

    public static Flow ExecuteAll(IReadOnlyList<Statement> statements, Activation activation, TextBuffer output)
    {
        foreach (Statement statement in statements)
        {
            Flow flow = statement.Execute(activation, output);
            if (flow != Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }

    protected abstract Flow Run(Activation activation, TextBuffer output);
}
