namespace Conclave.Text;

/// <summary>Jinja's joiner: nothing at the first call, its separator at every later one.</summary>
internal sealed class JoinerValue(Value separator) : Value
{
    private bool _used;

    public override string TypeName => "Joiner";

    public override string ObjectName => "jinja2.utils.Joiner object";

    public override bool IsCallable => true;

    public override void WriteRepr(TextBuffer buffer) => buffer.Append("<jinja2.utils.Joiner object>");

    public override Value Call(RenderState state, Arguments arguments)
    {
        if (!_used)
        {
            _used = true;
            return StringValue.Empty;
        }

        return separator;
    }

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "sep" => separator,
        "used" => BooleanValue.Of(_used),
        _ => null,
    };
}
