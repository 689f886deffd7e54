namespace Conclave.Text;

/// <summary>A function that the template can call: a global or a method bound to its object.</summary>
internal sealed class BuiltinFunction : Value
{
    private readonly string _description;
    private readonly Func<RenderState, Arguments, Value> _body;

    private BuiltinFunction(string typeName, string description, Func<RenderState, Arguments, Value> body)
    {
        TypeName = typeName;
        _description = description;
        _body = body;
    }

    public override string TypeName { get; }

    public override bool IsCallable => true;

    public static BuiltinFunction Method(Value self, string name, Func<RenderState, Arguments, Value> body) =>
        new("builtin_function_or_method", $"<built-in method {name} of {self.TypeName} object>", body);

    public static BuiltinFunction Global(string name, Func<RenderState, Arguments, Value> body) =>
        new("function", $"<function {name}>", body);

    public static BuiltinFunction Class(string name, Func<RenderState, Arguments, Value> body) => new("type", $"<class '{name}'>", body);

    public override void WriteRepr(TextBuffer buffer) => buffer.Append(_description);

    public override Value Call(RenderState state, Arguments arguments)
    {
        state.Step();
        return _body(state, arguments);
    }
}
