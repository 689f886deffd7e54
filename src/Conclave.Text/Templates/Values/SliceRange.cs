using System.Numerics;

namespace Conclave.Text;

/// <summary>The indices that <c>[start:stop:step]</c> picks from a sequence, as Python clamps them.</summary>
internal readonly record struct SliceRange(long Start, long Step, int Count)
{
    public static SliceRange Of(int length, Value? start, Value? stop, Value? step)
    {
        BigInteger by = Bound(step) ?? BigInteger.One;
        if (by.IsZero)
        {
            throw TemplateErrors.Value("slice step cannot be zero");
        }

        bool forward = by.Sign > 0;
        BigInteger low = forward ? 0 : -1;
        BigInteger high = forward ? length : length - 1;
        BigInteger first = Clamp(Bound(start), forward ? low : high);
        BigInteger last = Clamp(Bound(stop), forward ? high : low);
        BigInteger span = forward ? last - first : first - last;
        BigInteger size = BigInteger.Abs(by);
        int count = span.Sign <= 0 ? 0 : (int)((span + size - 1) / size);
        long stride = count <= 1 ? (forward ? 1 : -1) : (long)by;
        return new SliceRange((long)first, stride, count);

        BigInteger Clamp(BigInteger? bound, BigInteger otherwise)
        {
            if (bound is not { } value)
            {
                return otherwise;
            }

            value = value.Sign < 0 ? value + length : value;
            return BigInteger.Max(low, BigInteger.Min(high, value));
        }
    }

    public IEnumerable<int> Indices()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return (int)(Start + i * Step);
        }
    }

    private static BigInteger? Bound(Value? value)
    {
        if (value is null or NoneValue)
        {
            return null;
        }

        return value.TryInteger(out BigInteger? number)
            ? number
            : throw TemplateErrors.Type("slice indices must be integers or None or have an __index__ method");
    }
}
