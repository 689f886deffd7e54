using System.Globalization;

namespace Conclave.Text;

/// <summary>The variable "loop": where the loop stands, what comes before and after. Looks ahead by one item at most, and only when asked.</summary>
internal sealed class LoopValue(IEnumerator<Value> items, int? length, Func<Value, Value>? recurse, int depth) : Value
{
    private IEnumerator<Value> _items = items;
    private int? _length = length;
    private int _index = -1;
    private Value? _before;
    private Value? _current;
    private Value? _after;
    private TupleValue? _lastChanged;

    public Value Current => _current!;

    public override string TypeName => "LoopContext";

    public override string ObjectName => "jinja2.runtime.LoopContext object";

    public override int? Length => Count();

    public override bool IsCallable => true;

    public bool MoveNext()
    {
        Value? next = _after ?? Advance();
        _after = null;
        if (next is null)
        {
            return false;
        }

        _index++;
        _before = _current;
        _current = next;
        return true;
    }

    public override void WriteRepr(TextBuffer buffer) =>
        buffer.Append(string.Create(CultureInfo.InvariantCulture, $"<LoopContext {_index + 1}/{Count()}>"));

    public override Value Call(RenderState state, Arguments arguments)
    {
        Value deeper = new Signature("LoopContext.__call__", "iterable").Bind(arguments)[0]!;
        return recurse?.Invoke(deeper)
            ?? throw TemplateErrors.Type("The loop must have the 'recursive' marker to be called recursively.");
    }

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "index" => IntegerValue.Of(_index + 1),
        "index0" => IntegerValue.Of(_index),
        "revindex" => IntegerValue.Of(Count() - _index),
        "revindex0" => IntegerValue.Of(Count() - _index - 1),
        "first" => BooleanValue.Of(_index == 0),
        "last" => BooleanValue.Of(Peek() is null),
        "length" => IntegerValue.Of(Count()),
        "depth" => IntegerValue.Of(depth + 1),
        "depth0" => IntegerValue.Of(depth),
        "previtem" => _index == 0 ? UndefinedValue.OfHint("there is no previous item") : _before,
        "nextitem" => Peek() ?? UndefinedValue.OfHint("there is no next item"),
        "cycle" => BuiltinFunction.Method(this, name, (_, arguments) => arguments.Count > 0
            ? arguments[_index % arguments.Count]
            : throw TemplateErrors.Type("no items for cycling given")),
        "changed" => BuiltinFunction.Method(this, name, Changed),
        _ => null,
    };

    private BooleanValue Changed(RenderState state, Arguments arguments)
    {
        TupleValue values = new(arguments.Positional);
        state.Step(values.Weight);
        if (_lastChanged is not null && _lastChanged.EqualTo(values))
        {
            return BooleanValue.False;
        }

        _lastChanged = values;
        return BooleanValue.True;
    }

    private Value? Peek() => _after ??= Advance();

    private Value? Advance()
    {
        RenderState.EnsureStack();
        return _items.MoveNext() ? _items.Current : null;
    }

    // What has no length is read to the end.
    private int Count()
    {
        if (_length is null)
        {
            List<Value> rest = [];
            while (Advance() is { } item)
            {
                rest.Add(item);
            }

            _items = rest.GetEnumerator();
            _length = rest.Count + _index + 1 + (_after is null ? 0 : 1);
        }

        return _length.Value;
    }
}
