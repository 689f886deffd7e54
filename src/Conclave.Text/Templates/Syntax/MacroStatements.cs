namespace Conclave.Text;

internal sealed class MacroStatement(int line, NameTarget target, MacroDefinition definition) : Statement(line)
{
    public NameTarget Target => target;

    public MacroDefinition Definition => definition;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        target.Assign(activation, definition.Bind(activation));
        return Flow.Next;
    }
}

internal sealed class CallBlockStatement(int line, CallExpression call, MacroDefinition definition) : Statement(line)
{
    public CallExpression Call => call;

    public MacroDefinition Definition => definition;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        call.Call(activation, definition.Bind(activation)).WriteText(output);
        return Flow.Next;
    }
}

/// <summary>The block that marks what the assistant said; here it only has a scope of its own, as the call block that it is to Jinja.</summary>
internal sealed class GenerationStatement(int line, MacroDefinition definition) : Statement(line)
{
    public MacroDefinition Definition => definition;

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        definition.Bind(activation).Call(activation.State, Arguments.None).WriteText(output);
        return Flow.Next;
    }
}
