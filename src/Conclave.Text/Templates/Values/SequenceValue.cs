using System.Numerics;

namespace Conclave.Text;

/// <summary>What list and tuple share.</summary>
internal abstract class SequenceValue : Value
{
    /// <summary>Deeper containers would overflow the stack of whoever walks through them; Python refuses at a similar depth.</summary>
    public const int MaxDepth = 500;

    /// <summary>Nodes below one container, shared ones counted each time: what comparing it costs.</summary>
    public const long MaxWeight = 10_000_000;

    protected SequenceValue(IReadOnlyList<Value> items)
    {
        Items = items;
        (Depth, Weight) = Measure(items);
    }

    public IReadOnlyList<Value> Items { get; }

    public sealed override int Depth { get; }

    public sealed override long Weight { get; }

    public override bool IsTrue => Items.Count > 0;

    public override int? Length => Items.Count;

    public override bool HasItems => true;

    public static (int Depth, long Weight) Measure(IEnumerable<Value> items)
    {
        int depth = 0;
        long weight = 1;
        foreach (Value item in items)
        {
            depth = Math.Max(depth, item.Depth);
            weight += item.Weight;
        }

        return depth >= MaxDepth ? throw TemplateErrors.Recursion()
            : weight > MaxWeight ? throw TemplateErrors.Limit($"a value of {weight} parts; at most {MaxWeight} are allowed")
            : (depth + 1, weight);
    }

    public override IEnumerator<Value> Iterate(RenderState state) => Items.GetEnumerator();

    public override IEnumerator<Value> IterateReversed(RenderState state)
    {
        for (int i = Items.Count - 1; i >= 0; i--)
        {
            yield return Items[i];
        }
    }

    public override Value? Item(RenderState state, Value key)
    {
        if (!key.TryInteger(out BigInteger? index))
        {
            return null;
        }

        BigInteger position = index.Value.Sign < 0 ? index.Value + Items.Count : index.Value;
        return position.Sign < 0 || position >= Items.Count ? null : Items[(int)position];
    }

    public override Value Slice(RenderState state, Value? start, Value? stop, Value? step)
    {
        SliceRange range = SliceRange.Of(Items.Count, start, stop, step);
        state.Step(range.Count);
        return Create([.. range.Indices().Select(i => Items[i])]);
    }

    public override bool EqualTo(Value other)
    {
        if (ReferenceEquals(this, other))
        {
            return true;
        }

        if (other.GetType() != GetType() && !(this is TupleValue && other is TupleValue))
        {
            return false;
        }

        IReadOnlyList<Value> theirs = ((SequenceValue)other).Items;
        if (theirs.Count != Items.Count)
        {
            return false;
        }

        for (int i = 0; i < Items.Count; i++)
        {
            if (!ReferenceEquals(Items[i], theirs[i]) && !Items[i].EqualTo(theirs[i]))
            {
                return false;
            }
        }

        return true;
    }

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "index" => BuiltinFunction.Method(this, name, Index),
        "count" => BuiltinFunction.Method(this, name, Count),
        _ => null,
    };

    protected abstract Value Create(IReadOnlyList<Value> items);

    protected void WriteItems(TextBuffer buffer)
    {
        RenderState.EnsureStack();
        for (int i = 0; i < Items.Count; i++)
        {
            if (i > 0)
            {
                buffer.Append(", ");
            }

            Items[i].WriteRepr(buffer);
        }
    }

    private Value Index(RenderState state, Arguments arguments)
    {
        arguments.NoKeywords($"{TypeName}.index");
        arguments.Between("index", 1, 3);
        Value wanted = arguments[0];
        SliceRange range = SliceRange.Of(Items.Count, arguments.At(1), arguments.At(2), null);
        foreach (int i in range.Indices())
        {
            state.Step(wanted.Weight);
            if (ReferenceEquals(Items[i], wanted) || Items[i].EqualTo(wanted))
            {
                return IntegerValue.Of(i);
            }
        }

        throw TemplateErrors.Value(
            this is TupleValue ? "tuple.index(x): x not in tuple" : $"{wanted.Repr(state)} is not in list");
    }

    private Value Count(RenderState state, Arguments arguments)
    {
        arguments.Exactly($"{TypeName}.count", 1);
        Value wanted = arguments[0];
        state.Step(wanted.Weight * Items.Count);
        return IntegerValue.Of(Items.Count(item => ReferenceEquals(item, wanted) || item.EqualTo(wanted)));
    }
}
