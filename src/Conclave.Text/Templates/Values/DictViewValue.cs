namespace Conclave.Text;

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> of a dict give: iterable, with a length, without an index.</summary>
internal sealed class DictViewValue(DictValue dict, DictViewKind kind) : Value
{
    public override string TypeName => kind switch
    {
        DictViewKind.Keys => "dict_keys",
        DictViewKind.Values => "dict_values",
        _ => "dict_items",
    };

    public override bool IsTrue => dict.Items.Count > 0;

    public override int Depth => dict.Depth;

    public override long Weight => dict.Weight;

    public override int? Length => dict.Items.Count;

    public override void WriteRepr(TextBuffer buffer)
    {
        buffer.Append(TypeName);
        buffer.Append('(');
        new ListValue([.. Enumerable.Range(0, dict.Items.Count).Select(At)]).WriteRepr(buffer);
        buffer.Append(')');
    }

    public override IEnumerator<Value> Iterate(RenderState state)
    {
        for (int i = 0; i < dict.Items.Count; i++)
        {
            yield return At(i);
        }
    }

    public override IEnumerator<Value> IterateReversed(RenderState state)
    {
        for (int i = dict.Items.Count - 1; i >= 0; i--)
        {
            yield return At(i);
        }
    }

    private Value At(int index)
    {
        (Value key, Value value) = dict.Items.GetAt(index);
        return kind switch
        {
            DictViewKind.Keys => key,
            DictViewKind.Values => value,
            _ => new TupleValue([key, value]),
        };
    }
}
