namespace Conclave.Text;

/// <summary>
/// What a missing name or attribute evaluates to: prints as nothing, is false, iterates as empty, and raises its message when anything else
/// is asked of it.
/// </summary>
internal sealed class UndefinedValue : Value
{
    private readonly Func<string> _message;
    private readonly TemplateErrorKind _kind;

    private UndefinedValue(Func<string> message, TemplateErrorKind kind = TemplateErrorKind.UndefinedError)
    {
        _message = message;
        _kind = kind;
    }

    public override string TypeName => "Undefined";

    public override string ObjectName => "jinja2.runtime.Undefined object";

    public override bool IsTrue => false;

    public override int? Length => 0;

    public override bool HasItems => true;

    public override bool IsCallable => true;

    public static UndefinedValue OfName(string name) => new(() => $"{StringRepr.Quote(name)} is undefined");

    public static UndefinedValue OfMember(RenderState state, Value value, Value member) => new(() => member is StringValue name
        ? $"{StringRepr.Quote(value.ObjectName)} has no attribute {StringRepr.Quote(name.Text)}"
        : $"{value.ObjectName} has no element {member.Repr(state)}");

    public static UndefinedValue OfHint(string hint) => new(() => hint);

    public static UndefinedValue Unsafe(Value value, string name) => new(
        () => $"access to attribute {StringRepr.Quote(name)} of {StringRepr.Quote(value.TypeName)} object is unsafe.",
        TemplateErrorKind.SecurityError);

    public override void WriteText(TextBuffer buffer)
    {
        // Prints as nothing.
    }

    public override void WriteRepr(TextBuffer buffer) => buffer.Append("Undefined");

    public override IEnumerator<Value> Iterate(RenderState state) => Enumerable.Empty<Value>().GetEnumerator();

    public override IEnumerator<Value> IterateReversed(RenderState state) => Enumerable.Empty<Value>().GetEnumerator();

    public override Value? Attribute(RenderState state, string name) => throw UndefinedError();

    public override bool IsHidden(string name) => base.IsHidden(name) || name.StartsWith("_undefined_", StringComparison.Ordinal);

    public override Value? Item(RenderState state, Value key) => throw UndefinedError();

    public override Value Slice(RenderState state, Value? start, Value? stop, Value? step) => throw UndefinedError();

    public override Value Call(RenderState state, Arguments arguments) => throw UndefinedError();

    public override bool EqualTo(Value other) => other is UndefinedValue;

    public override int Hash() => 1;

    public override TemplateException UndefinedError() => new(_kind, _message());
}
