using System.Globalization;
using System.Numerics;

namespace Conclave.Text;

/// <summary>Python's range, at most <see cref="MaxLength"/> long as Jinja's sandbox demands.</summary>
internal sealed class RangeValue : Value
{
    public const int MaxLength = 100_000;

    private readonly BigInteger _start;
    private readonly BigInteger _stop;
    private readonly BigInteger _step;
    private readonly int _count;

    public RangeValue(BigInteger start, BigInteger stop, BigInteger step)
    {
        if (step.IsZero)
        {
            throw TemplateErrors.Value("range() arg 3 must not be zero");
        }

        BigInteger span = step.Sign > 0 ? stop - start : start - stop;
        BigInteger size = BigInteger.Abs(step);
        BigInteger count = span.Sign <= 0 ? 0 : (span + size - 1) / size;
        if (count > MaxLength)
        {
            throw TemplateErrors.Overflow(
                string.Create(CultureInfo.InvariantCulture, $"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxLength})."));
        }

        (_start, _stop, _step, _count) = (start, stop, step, (int)count);
    }

    public override string TypeName => "range";

    public override bool IsTrue => _count > 0;

    public override int? Length => _count;

    public override bool HasItems => true;

    public override void WriteRepr(TextBuffer buffer)
    {
        buffer.Append($"range({IntegerValue.Digits(_start)}, {IntegerValue.Digits(_stop)}");
        buffer.Append(_step.IsOne ? ")" : $", {IntegerValue.Digits(_step)})");
    }

    public override IEnumerator<Value> Iterate(RenderState state)
    {
        for (int i = 0; i < _count; i++)
        {
            yield return At(i);
        }
    }

    public override IEnumerator<Value> IterateReversed(RenderState state)
    {
        for (int i = _count - 1; i >= 0; i--)
        {
            yield return At(i);
        }
    }

    public override Value? Item(RenderState state, Value key)
    {
        if (!key.TryInteger(out BigInteger? index))
        {
            return null;
        }

        BigInteger position = index.Value.Sign < 0 ? index.Value + _count : index.Value;
        return position.Sign < 0 || position >= _count ? null : At((int)position);
    }

    public override Value Slice(RenderState state, Value? start, Value? stop, Value? step)
    {
        SliceRange range = SliceRange.Of(_count, start, stop, step);
        BigInteger first = _start + _step * range.Start;
        BigInteger by = _step * range.Step;
        return new RangeValue(first, first + by * range.Count, by);
    }

    public override bool EqualTo(Value other) =>
        other is RangeValue range && range._count == _count
        && (_count == 0 || (range._start == _start && (_count == 1 || range._step == _step)));

    public override int Hash() => _count == 0 ? 0 : HashCode.Combine(_count, _start, _count == 1 ? BigInteger.Zero : _step);

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "start" => IntegerValue.Of(_start),
        "stop" => IntegerValue.Of(_stop),
        "step" => IntegerValue.Of(_step),
        "count" or "index" => new TupleValue([.. Enumerable.Range(0, _count).Select(At)]).Attribute(state, name),
        _ => null,
    };

    private IntegerValue At(int index) => IntegerValue.Of(_start + _step * index);
}
