namespace Conclave.Text;

internal sealed class FloatValue(double number) : Value
{
    public double Number => number;

    public override string TypeName => "float";

    public override bool IsTrue => number != 0;

    public override void WriteRepr(TextBuffer buffer) => buffer.Append(FloatText.Repr(number));

    public override bool EqualTo(Value other) => Numbers.AreEqual(this, other);

    public override int Hash() => Numbers.Hash(number);

    public override Value? Attribute(RenderState state, string name) => Numbers.Attribute(this, name);
}
