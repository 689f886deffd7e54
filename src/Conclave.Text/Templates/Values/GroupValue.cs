namespace Conclave.Text;

/// <summary>A group that the filter groupby makes: a tuple whose parts have names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : TupleValue([grouper, list])
{
    public override string TypeName => "_GroupTuple";

    public override string ObjectName => "jinja2.filters._GroupTuple object";

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "grouper" => Items[0],
        "list" => Items[1],
        _ => base.Attribute(state, name),
    };
}
