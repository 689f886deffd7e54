using System.Numerics;

namespace Conclave.Text;

/// <summary>True and False, which count as 1 and 0 in arithmetic.</summary>
internal sealed class BooleanValue : Value
{
    public static readonly BooleanValue True = new(true);
    public static readonly BooleanValue False = new(false);

    private BooleanValue(bool truth) => Truth = truth;

    public bool Truth { get; }

    public override string TypeName => "bool";

    public override bool IsTrue => Truth;

    public static BooleanValue Of(bool truth) => truth ? True : False;

    public override void WriteRepr(TextBuffer buffer) => buffer.Append(Truth ? "True" : "False");

    public override bool EqualTo(Value other) => Numbers.AreEqual(this, other);

    public override int Hash() => Numbers.Hash(Truth ? BigInteger.One : BigInteger.Zero);

    public override Value? Attribute(RenderState state, string name) => Numbers.Attribute(this, name);
}
