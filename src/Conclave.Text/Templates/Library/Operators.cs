using System.Numerics;

namespace Conclave.Text;

/// <summary>Python's arithmetic operators.</summary>
internal static class Operators
{
    public static Value Add(RenderState state, Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                return Concatenate(state, a, b);
            case (StringValue { IsMarkup: false }, _):
                throw TemplateErrors.Type($"can only concatenate str (not \"{right.TypeName}\") to str");
            case (ListValue a, ListValue b):
                state.CheckItems((long)a.Items.Count + b.Items.Count);
                return new ListValue([.. a.Items, .. b.Items]);
            case (ListValue, _):
                throw TemplateErrors.Type($"can only concatenate list (not \"{right.TypeName}\") to list");
            case (TupleValue a, TupleValue b):
                state.CheckItems((long)a.Items.Count + b.Items.Count);
                return new TupleValue([.. a.Items, .. b.Items]);
            case (TupleValue, _):
                throw TemplateErrors.Type($"can only concatenate tuple (not \"{right.TypeName}\") to tuple");
            default:
                return Numeric("+", left, right, BigInteger.Add, (a, b) => a + b);
        }
    }

    public static Value Subtract(Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        return Numeric("-", left, right, BigInteger.Subtract, (a, b) => a - b);
    }

    public static Value Multiply(RenderState state, Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        if (left is StringValue or SequenceValue)
        {
            return Repeat(state, left, right);
        }

        if (right is StringValue or SequenceValue)
        {
            return Repeat(state, right, left);
        }

        Charge(state, left, right);
        return Numeric("*", left, right, BigInteger.Multiply, (a, b) => a * b);
    }

    public static Value Divide(Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        if (left.TryInteger(out BigInteger? a) && right.TryInteger(out BigInteger? b))
        {
            return b.Value.IsZero ? throw TemplateErrors.ZeroDivision("division by zero") : new FloatValue(Quotient(a.Value, b.Value));
        }

        (double x, double y) = Doubles("/", left, right);
        return y == 0 ? throw TemplateErrors.ZeroDivision("float division by zero") : new FloatValue(x / y);
    }

    public static Value FloorDivide(RenderState state, Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        if (left.TryInteger(out BigInteger? a) && right.TryInteger(out BigInteger? b))
        {
            if (b.Value.IsZero)
            {
                throw TemplateErrors.ZeroDivision("integer division or modulo by zero");
            }

            Charge(state, left, right);
            return IntegerValue.Of(FloorQuotient(a.Value, b.Value));
        }

        (double x, double y) = Doubles("//", left, right);
        return y == 0 ? throw TemplateErrors.ZeroDivision("float floor division by zero") : new FloatValue(FloorDivMod(x, y).Quotient);
    }

    public static Value Modulo(RenderState state, Value left, Value right)
    {
        if (left is StringValue format)
        {
            return PercentFormat.Format(state, format, right);
        }

        ThrowIfUndefined(left, right);
        if (left.TryInteger(out BigInteger? a) && right.TryInteger(out BigInteger? b))
        {
            if (b.Value.IsZero)
            {
                throw TemplateErrors.ZeroDivision("integer modulo by zero");
            }

            Charge(state, left, right);
            return IntegerValue.Of(a.Value - FloorQuotient(a.Value, b.Value) * b.Value);
        }

        (double x, double y) = Doubles("%", left, right);
        return y == 0 ? throw TemplateErrors.ZeroDivision("float modulo") : new FloatValue(FloorDivMod(x, y).Remainder);
    }

    public static Value Power(RenderState state, Value left, Value right)
    {
        ThrowIfUndefined(left, right);
        if (left.TryInteger(out BigInteger? a) && right.TryInteger(out BigInteger? b) && b.Value.Sign >= 0)
        {
            if (a.Value.IsZero || a.Value.IsOne || b.Value.IsZero)
            {
                return IntegerValue.Of(b.Value.IsZero ? BigInteger.One : a.Value);
            }

            BigInteger bits = BigInteger.Abs(a.Value).GetBitLength() * b.Value;
            if (BigInteger.Abs(a.Value).IsOne)
            {
                return IntegerValue.Of(b.Value.IsEven ? 1 : -1);
            }

            // An upper bound: one bit less per factor may still fit.
            if (bits - b.Value > IntegerValue.MaxBits)
            {
                throw TemplateErrors.Limit($"an integer of more than {IntegerValue.MaxBits} bits");
            }

            state.Step((long)(bits * bits / 4096) + 1);
            return IntegerValue.Of(BigInteger.Pow(a.Value, (int)b.Value));
        }

        (double x, double y) = Doubles("** or pow()", left, right);
        if (x == 0 && y < 0)
        {
            throw TemplateErrors.ZeroDivision("0.0 cannot be raised to a negative power");
        }

        double result = Math.Pow(x, y);
        return double.IsNaN(result) && !double.IsNaN(x) && !double.IsNaN(y)
            ? throw TemplateErrors.Value("the result is a complex number, which templates do not have")
            : double.IsInfinity(result) && double.IsFinite(x) && double.IsFinite(y)
            ? throw TemplateErrors.Overflow("(34, 'Numerical result out of range')")
            : new FloatValue(result);
    }

    public static Value Negate(Value value) => Unary("-", value, n => -n, x => -x);

    public static Value Plus(Value value) => Unary("+", value, n => n, x => x);

    public static Value Absolute(Value value) => value.TryInteger(out BigInteger? number)
        ? IntegerValue.Of(BigInteger.Abs(number.Value))
        : value is FloatValue f ? new FloatValue(Math.Abs(f.Number))
        : throw TemplateErrors.Type($"bad operand type for abs(): '{value.TypeName}'");

    public static double ToDouble(Value value) => value is FloatValue f ? f.Number
        : value.TryInteger(out BigInteger? number) ? Numbers.ToDouble(number.Value)
        : throw (value.UndefinedError() ?? TemplateErrors.Type($"must be real number, not {value.TypeName}"));

    public static void ThrowIfUndefined(Value left, Value right)
    {
        if ((left.UndefinedError() ?? right.UndefinedError()) is { } error)
        {
            throw error;
        }
    }

    private static StringValue Concatenate(RenderState state, StringValue left, StringValue right)
    {
        if (!left.IsMarkup && !right.IsMarkup)
        {
            state.CheckLength((long)left.Text.Length + right.Text.Length);
            return new StringValue(left.Text + right.Text);
        }

        return state.Text(Html.Escape(state, left).Text + Html.Escape(state, right).Text, markup: true);
    }

    private static Value Repeat(RenderState state, Value sequence, Value count)
    {
        if (!count.TryInteger(out BigInteger? times))
        {
            throw TemplateErrors.Type($"can't multiply sequence by non-int of type '{count.TypeName}'");
        }

        if (times.Value > long.MaxValue || times.Value < long.MinValue)
        {
            throw TemplateErrors.Overflow("cannot fit 'int' into an index-sized integer");
        }

        BigInteger repeats = BigInteger.Max(0, times.Value);
        if (sequence is StringValue text)
        {
            BigInteger length = repeats * text.Text.Length;
            state.CheckLength((long)BigInteger.Min(length, long.MaxValue));
            return new StringValue(text.Text.Length == 0 ? "" : string.Concat(Enumerable.Repeat(text.Text, (int)repeats)), text.IsMarkup);
        }

        IReadOnlyList<Value> items = ((SequenceValue)sequence).Items;
        state.CheckItems((long)BigInteger.Min(repeats * items.Count, long.MaxValue));
        List<Value> repeated = [];
        for (int i = 0; items.Count > 0 && i < (int)repeats; i++)
        {
            repeated.AddRange(items);
        }

        return sequence is ListValue ? new ListValue(repeated) : new TupleValue(repeated);
    }

    private static Value Numeric(
        string symbol, Value left, Value right, Func<BigInteger, BigInteger, BigInteger> integers, Func<double, double, double> doubles)
    {
        if (left.TryInteger(out BigInteger? a) && right.TryInteger(out BigInteger? b))
        {
            return IntegerValue.Of(integers(a.Value, b.Value));
        }

        (double x, double y) = Doubles(symbol, left, right);
        return new FloatValue(doubles(x, y));
    }

    private static (double Left, double Right) Doubles(string symbol, Value left, Value right) =>
        Numbers.IsNumber(left) && Numbers.IsNumber(right)
            ? (ToDouble(left), ToDouble(right))
            : throw TemplateErrors.Type($"unsupported operand type(s) for {symbol}: '{left.TypeName}' and '{right.TypeName}'");

    private static Value Unary(string symbol, Value value, Func<BigInteger, BigInteger> integer, Func<double, double> real) =>
        value.TryInteger(out BigInteger? number) ? IntegerValue.Of(integer(number.Value))
        : value is FloatValue f ? new FloatValue(real(f.Number))
        : throw (value.UndefinedError() ?? TemplateErrors.Type($"bad operand type for unary {symbol}: '{value.TypeName}'"));

    // Long numbers are multiplied and divided in quadratic time.
    private static void Charge(RenderState state, Value left, Value right)
    {
        if (left is IntegerValue a && right is IntegerValue b)
        {
            state.Step(a.Number.GetBitLength() * b.Number.GetBitLength() / 4096);
        }
    }

    private static BigInteger FloorQuotient(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && (remainder.Sign < 0) != (b.Sign < 0) ? quotient - 1 : quotient;
    }

    private static (double Quotient, double Remainder) FloorDivMod(double x, double y)
    {
        double remainder = x % y;
        double quotient = (x - remainder) / y;
        if (remainder != 0)
        {
            if (y < 0 != remainder < 0)
            {
                remainder += y;
                quotient -= 1;
            }
        }
        else
        {
            remainder = Math.CopySign(0, y);
        }

        if (quotient == 0)
        {
            return (Math.CopySign(0, x / y), remainder);
        }

        double floor = Math.Floor(quotient);
        return (quotient - floor > 0.5 ? floor + 1 : floor, remainder);
    }

    // Correctly rounded, also where neither operand fits a double.
    private static double Quotient(BigInteger a, BigInteger b)
    {
        bool negative = (a.Sign < 0) != (b.Sign < 0);
        (a, b) = (BigInteger.Abs(a), BigInteger.Abs(b));
        if (a.GetBitLength() <= 53 && b.GetBitLength() <= 53)
        {
            double small = (double)a / (double)b;
            return negative ? -small : small;
        }

        int shift = (int)(b.GetBitLength() - a.GetBitLength()) + 66;
        BigInteger quotient = BigInteger.DivRem(shift >= 0 ? a << shift : a, shift >= 0 ? b : b << -shift, out BigInteger remainder);
        if (!remainder.IsZero)
        {
            quotient |= 1;
        }

        double scaled = Math.ScaleB(Numbers.ToDouble(quotient), -shift);
        return double.IsInfinity(scaled) ? throw TemplateErrors.Overflow("integer division result too large for a float")
            : negative ? -scaled : scaled;
    }
}
