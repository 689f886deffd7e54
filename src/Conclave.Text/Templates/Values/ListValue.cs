namespace Conclave.Text;

internal sealed class ListValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "list";

    public override void WriteRepr(TextBuffer buffer)
    {
        buffer.Append('[');
        WriteItems(buffer);
        buffer.Append(']');
    }

    public override int Hash() => throw TemplateErrors.Unhashable(TypeName);

    public override Value? Attribute(RenderState state, string name) =>
        name == "copy" ? BuiltinFunction.Method(this, name, (_, _) => this) : base.Attribute(state, name);

    public override bool IsHidden(string name) =>
        name is "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove" || base.IsHidden(name);

    protected override Value Create(IReadOnlyList<Value> items) => new ListValue(items);
}
