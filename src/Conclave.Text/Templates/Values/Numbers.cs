using System.Numerics;

namespace Conclave.Text;

/// <summary>What bool, int and float share: equality, order and hash across the three.</summary>
internal static class Numbers
{
    public static bool IsNumber(Value value) => value is IntegerValue or BooleanValue or FloatValue;

    public static bool AreEqual(Value left, Value right) => IsNumber(right) && Compare(left, right) == 0;

    /// <summary>The order of two numbers, exact also between int and float; null where one is NaN.</summary>
    public static int? Compare(Value left, Value right)
    {
        if (left is FloatValue a)
        {
            return right is FloatValue b ? Compare(a.Number, b.Number) : -Compare(Integer(right), a.Number);
        }

        return right is FloatValue f ? Compare(Integer(left), f.Number) : Integer(left).CompareTo(Integer(right));
    }

    public static int Hash(BigInteger number) => number.GetHashCode();

    public static int Hash(double number) =>
        double.IsFinite(number) && Math.Floor(number) == number ? Hash(new BigInteger(number)) : number.GetHashCode();

    public static double ToDouble(BigInteger number)
    {
        double result = ToNearest(number);
        return double.IsFinite(result) ? result : throw TemplateErrors.Overflow("int too large to convert to float");
    }

    public static Value? Attribute(Value value, string name)
    {
        if (value is FloatValue f)
        {
            return name switch
            {
                "real" => f,
                "imag" => new FloatValue(0),
                "is_integer" => BuiltinFunction.Method(
                    f, name, (_, _) => BooleanValue.Of(double.IsFinite(f.Number) && Math.Floor(f.Number) == f.Number)),
                "conjugate" => BuiltinFunction.Method(f, name, (_, _) => f),
                _ => null,
            };
        }

        BigInteger number = Integer(value);
        return name switch
        {
            "real" or "numerator" => IntegerValue.Of(number),
            "imag" => IntegerValue.Of(0),
            "denominator" => IntegerValue.Of(1),
            "conjugate" => BuiltinFunction.Method(value, name, (_, _) => IntegerValue.Of(number)),
            "bit_length" => BuiltinFunction.Method(value, name, (_, _) => IntegerValue.Of(BigInteger.Abs(number).GetBitLength())),
            "bit_count" => BuiltinFunction.Method(value, name, (_, _) => IntegerValue.Of((long)BigInteger.PopCount(BigInteger.Abs(number)))),
            _ => null,
        };
    }

    private static BigInteger Integer(Value value) => value.TryInteger(out BigInteger? number) ? number.Value : BigInteger.Zero;

    private static int? Compare(double left, double right) => double.IsNaN(left) || double.IsNaN(right) ? null : left.CompareTo(right);

    private static int? Compare(BigInteger left, double right)
    {
        if (double.IsNaN(right))
        {
            return null;
        }

        if (double.IsInfinity(right))
        {
            return right > 0 ? -1 : 1;
        }

        double floor = Math.Floor(right);
        int order = left.CompareTo(new BigInteger(floor));
        return order != 0 ? order : floor < right ? -1 : 0;
    }

    // The conversion of .NET truncates; Python rounds half to even.
    private static double ToNearest(BigInteger number)
    {
        BigInteger magnitude = BigInteger.Abs(number);
        long bits = magnitude.GetBitLength();
        if (bits <= 53)
        {
            return (double)number;
        }

        if (bits > 1024)
        {
            return double.PositiveInfinity;
        }

        int shift = (int)(bits - 53);
        BigInteger kept = magnitude >> shift;
        BigInteger rest = magnitude - (kept << shift);
        BigInteger half = BigInteger.One << (shift - 1);
        if (rest > half || (rest == half && !kept.IsEven))
        {
            kept += 1;
        }

        double result = Math.ScaleB((double)kept, shift);
        return number.Sign < 0 ? -result : result;
    }
}
