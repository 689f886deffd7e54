namespace Conclave.Text;

internal sealed class NoneValue : Value
{
    public static readonly NoneValue Instance = new();

    private NoneValue()
    {
    }

    public override string TypeName => "NoneType";

    public override string ObjectName => "None";

    public override bool IsTrue => false;

    public override void WriteRepr(TextBuffer buffer) => buffer.Append("None");
}
