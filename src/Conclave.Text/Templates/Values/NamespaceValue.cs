namespace Conclave.Text;

/// <summary>Jinja's namespace: the one value whose attributes a template can set.</summary>
internal sealed class NamespaceValue(OrderedDictionary<Value, Value> attributes) : Value
{
    private bool _isWriting;

    public override string TypeName => "Namespace";

    public override string ObjectName => "jinja2.utils.Namespace object";

    public void Set(string name, Value value) => attributes[new StringValue(name)] = value;

    public override void WriteRepr(TextBuffer buffer)
    {
        RenderState.EnsureStack();
        if (_isWriting)
        {
            // The dict inside is what Python finds itself in again.
            buffer.Append("<Namespace {...}>");
            return;
        }

        _isWriting = true;
        buffer.Append("<Namespace {");
        bool first = true;
        foreach ((Value key, Value value) in attributes)
        {
            buffer.Append(first ? "" : ", ");
            first = false;
            key.WriteRepr(buffer);
            buffer.Append(": ");
            value.WriteRepr(buffer);
        }

        buffer.Append("}>");
        _isWriting = false;
    }

    public override Value? Attribute(RenderState state, string name) => attributes.GetValueOrDefault(new StringValue(name));

    public override bool IsHidden(string name) => name == "__class__";
}
