namespace Conclave.Text;

internal class TupleValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "tuple";

    public override void WriteRepr(TextBuffer buffer)
    {
        buffer.Append('(');
        WriteItems(buffer);
        buffer.Append(Items.Count == 1 ? ",)" : ")");
    }

    public override int Hash()
    {
        HashCode hash = default;
        foreach (Value item in Items)
        {
            hash.Add(item.Hash());
        }

        return hash.ToHashCode();
    }

    protected override Value Create(IReadOnlyList<Value> items) => new TupleValue(items);
}
