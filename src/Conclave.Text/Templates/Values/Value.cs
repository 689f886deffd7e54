using System.Diagnostics.CodeAnalysis;

namespace Conclave.Text;

/// <summary>
/// A value as Python sees it. Values never change once they are built (the sandbox is the immutable one), namespaces and iterators excepted;
/// so depth and size of containers are known, and bounded, from the start.
/// </summary>
internal abstract class Value
{
    /// <summary>What <c>type(x).__name__</c> says.</summary>
    public abstract string TypeName { get; }

    /// <summary>The type in Jinja's messages about missing attributes.</summary>
    public virtual string ObjectName => $"{TypeName} object";

    public virtual bool IsTrue => true;

    /// <summary>Levels of containers below this one.</summary>
    public virtual int Depth => 0;

    /// <summary>Nodes that a walk through everything below visits: what comparing or hashing costs at most.</summary>
    public virtual long Weight => 1;

    /// <summary>The value of <c>len(x)</c>, or null where Python has none.</summary>
    public virtual int? Length => null;

    /// <summary>True where <c>x[key]</c> exists at all; Jinja's test "sequence" asks.</summary>
    public virtual bool HasItems => false;

    public virtual bool IsCallable => false;

    /// <summary>What <c>str(x)</c> gives.</summary>
    public virtual void WriteText(TextBuffer buffer) => WriteRepr(buffer);

    /// <summary>What <c>repr(x)</c> gives.</summary>
    public abstract void WriteRepr(TextBuffer buffer);

    /// <summary>An iterator over the value, or null where Python says that it is not iterable.</summary>
    public virtual IEnumerator<Value>? Iterate(RenderState state) => null;

    /// <summary>An iterator from the end, or null where Python says that it is not reversible.</summary>
    public virtual IEnumerator<Value>? IterateReversed(RenderState state) => null;

    /// <summary>Python's <c>getattr</c> for what the sandbox allows; null where there is no such attribute.</summary>
    public virtual Value? Attribute(RenderState state, string name) => null;

    /// <summary>True for attributes that exist in Python but that the sandbox hides.</summary>
    public virtual bool IsHidden(string name) => PythonNames.IsObjectAttribute(name);

    /// <summary>Python's <c>x[key]</c>; null where it raises TypeError or LookupError.</summary>
    public virtual Value? Item(RenderState state, Value key) => null;

    /// <summary>Python's <c>x[start:stop:step]</c>.</summary>
    public virtual Value Slice(RenderState state, Value? start, Value? stop, Value? step) =>
        throw TemplateErrors.Type($"'{TypeName}' object is not subscriptable");

    /// <summary>Python's <c>item in x</c>.</summary>
    public virtual bool Contains(RenderState state, Value item)
    {
        using IEnumerator<Value> items = Iterate(state) ?? throw TemplateErrors.Type($"argument of type '{TypeName}' is not iterable");
        while (items.MoveNext())
        {
            state.Step(item.Weight);
            if (ReferenceEquals(items.Current, item) || items.Current.EqualTo(item))
            {
                return true;
            }
        }

        return false;
    }

    public virtual Value Call(RenderState state, Arguments arguments) => throw TemplateErrors.Type($"'{TypeName}' object is not callable");

    /// <summary>Python's <c>x == other</c>.</summary>
    public virtual bool EqualTo(Value other) => ReferenceEquals(this, other);

    /// <summary>Python's <c>hash(x)</c>, consistent with <see cref="EqualTo"/>.</summary>
    public virtual int Hash() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);

    /// <summary>The error of an operation on something undefined; null for everything else.</summary>
    public virtual TemplateException? UndefinedError() => null;

    public string ToText(RenderState state)
    {
        if (this is StringValue text)
        {
            return text.Text;
        }

        TextBuffer buffer = new(state);
        WriteText(buffer);
        return buffer.ToString();
    }

    public string Repr(RenderState state)
    {
        TextBuffer buffer = new(state);
        WriteRepr(buffer);
        return buffer.ToString();
    }

    public IEnumerator<Value> IterateOrThrow(RenderState state) => Iterate(state) ?? throw TemplateErrors.NotIterable(this);

    public List<Value> ToList(RenderState state)
    {
        List<Value> list = [];
        using IEnumerator<Value> items = IterateOrThrow(state);
        while (items.MoveNext())
        {
            state.Step();
            list.Add(items.Current);
        }

        return list;
    }

    public bool TryInteger([NotNullWhen(true)] out System.Numerics.BigInteger? number)
    {
        number = this switch
        {
            IntegerValue integer => integer.Number,
            BooleanValue boolean => boolean.Truth ? 1 : 0,
            _ => null,
        };
        return number is not null;
    }
}
