namespace Conclave.Text;

/// <summary>Jinja's cycler: one of its items after the other, for ever.</summary>
internal sealed class CyclerValue : Value
{
    private readonly IReadOnlyList<Value> _items;
    private int _position;

    public CyclerValue(Arguments arguments)
    {
        if (arguments.HasNames)
        {
            throw TemplateErrors.Type($"Cycler.__init__() got an unexpected keyword argument '{arguments.Named!.GetAt(0).Key}'");
        }

        if (arguments.Count == 0)
        {
            throw new TemplateException(TemplateErrorKind.RuntimeError, "at least one item has to be provided");
        }

        _items = arguments.Positional;
    }

    public override string TypeName => "Cycler";

    public override string ObjectName => "jinja2.utils.Cycler object";

    public override void WriteRepr(TextBuffer buffer) => buffer.Append("<jinja2.utils.Cycler object>");

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "current" => _items[_position],
        "pos" => IntegerValue.Of(_position),
        "items" => new TupleValue(_items),
        "next" => BuiltinFunction.Method(this, name, (_, _) =>
        {
            Value current = _items[_position];
            _position = (_position + 1) % _items.Count;
            return current;
        }),
        "reset" => BuiltinFunction.Method(this, name, (_, _) =>
        {
            _position = 0;
            return NoneValue.Instance;
        }),
        _ => null,
    };
}
