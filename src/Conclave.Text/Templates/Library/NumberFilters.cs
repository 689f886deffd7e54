using System.Numerics;

namespace Conclave.Text;

/// <summary>Filters that make numbers.</summary>
internal static class NumberFilters
{
    private static readonly Signature FloatParameters = new("do_float", "value", "default?");
    private static readonly Signature IntParameters = new("do_int", "value", "default?", "base?");
    private static readonly Signature RoundParameters = new("do_round", "value", "precision?", "method?");
    private static readonly Signature SumParameters = new("do_sum", "iterable", "attribute?", "start?");
    private static readonly Signature SizeParameters = new("do_filesizeformat", "value", "binary?");

    public static Value Abs(RenderState state, Arguments arguments)
    {
        arguments.Exactly("abs", 1);
        return Operators.Absolute(arguments[0]);
    }

    public static Value Float(RenderState state, Arguments arguments)
    {
        Value?[] bound = FloatParameters.Bind(arguments);
        return ToFloat(bound[0]!) is { } number ? new FloatValue(number) : bound[1] ?? new FloatValue(0);
    }

    public static Value Int(RenderState state, Arguments arguments)
    {
        Value?[] bound = IntParameters.Bind(arguments);
        Value value = bound[0]!;
        int radix = bound[2] is null ? 10 : Arguments.Integer(state, bound[2]!);
        if (value is StringValue && radix is not (0 or (>= 2 and <= 36)))
        {
            return bound[1] ?? IntegerValue.Of(0);
        }

        BigInteger? number = value switch
        {
            StringValue text => PythonText.ReadInteger(text.Text, radix),
            FloatValue real when !double.IsNaN(real.Number) => Truncate(real.Number),
            _ => value.TryInteger(out BigInteger? integer) ? integer : null,
        };
        if (number is null && ToFloat(value) is { } approximate && double.IsFinite(approximate))
        {
            number = Truncate(approximate);
        }

        return number is { } found ? IntegerValue.Of(found) : bound[1] ?? IntegerValue.Of(0);
    }

    public static Value Round(RenderState state, Arguments arguments)
    {
        Value?[] bound = RoundParameters.Bind(arguments);
        int precision = bound[1] is null ? 0 : Arguments.Integer(state, bound[1]!);
        string method = bound[2] is null ? "common" : (bound[2] as StringValue)?.Text ?? "";
        if (method is not ("common" or "ceil" or "floor"))
        {
            throw TemplateErrors.Argument("method must be common, ceil or floor");
        }

        Value value = bound[0]!;
        if (method != "common")
        {
            Value power = Operators.Power(state, IntegerValue.Of(10), IntegerValue.Of(precision));
            Value scaled = Operators.Multiply(state, value, power);
            BigInteger whole = scaled.TryInteger(out BigInteger? exact) ? exact.Value
                : Truncate(method == "ceil" ? Math.Ceiling(Operators.ToDouble(scaled)) : Math.Floor(Operators.ToDouble(scaled)));
            return Operators.Divide(IntegerValue.Of(whole), power);
        }

        return value.TryInteger(out BigInteger? number) ? IntegerValue.Of(RoundInteger(number.Value, precision))
            : value is FloatValue real ? new FloatValue(FloatFormat.Round(real.Number, precision))
            : throw TemplateErrors.Type($"type {value.TypeName} doesn't define __round__ method");
    }

    public static Value Sum(RenderState state, Arguments arguments)
    {
        Value?[] bound = SumParameters.Bind(arguments);
        Value sum = bound[2] ?? IntegerValue.Of(0);
        if (sum is StringValue)
        {
            throw TemplateErrors.Type("sum() can't sum strings [use ''.join(seq) instead]");
        }

        AttributeGetter? getter = bound[1] is null or NoneValue ? null : new AttributeGetter(bound[1]!);
        using IEnumerator<Value> items = bound[0]!.IterateOrThrow(state);
        while (items.MoveNext())
        {
            state.Step();
            sum = Operators.Add(state, sum, getter?.Get(state, items.Current) ?? items.Current);
        }

        return sum;
    }

    public static Value FileSize(RenderState state, Arguments arguments)
    {
        Value?[] bound = SizeParameters.Bind(arguments);
        double size = bound[0] is StringValue text
            ? PythonText.ReadFloat(text.Text) ?? throw TemplateErrors.Value($"could not convert string to float: {text.Repr(state)}")
            : ToFloat(bound[0]!) ?? throw TemplateErrors.Type(
                $"float() argument must be a string or a real number, not '{bound[0]!.TypeName}'");
        bool binary = bound[1]?.IsTrue ?? false;
        double step = binary ? 1024 : 1000;
        if (size == 1)
        {
            return state.Text("1 Byte");
        }

        if (size < step)
        {
            return state.Text($"{Truncate(size)} Bytes");
        }

        int prefix = 0;
        double unit = step;
        while (prefix < 7 && !(size < unit * step))
        {
            unit *= step;
            prefix++;
        }

        string name = $"{"kMGTPEZY"[prefix]}{(binary ? "i" : "")}B";
        return state.Text($"{FloatFormat.Format(state, size / unit, 'f', 1, alternate: false)} {(binary && prefix == 0 ? "KiB" : name)}");
    }

    /// <summary>Python's <c>int(x)</c> of a float.</summary>
    public static BigInteger Truncate(double number) => double.IsNaN(number)
        ? throw TemplateErrors.Value("cannot convert float NaN to integer")
        : double.IsInfinity(number) ? throw TemplateErrors.Overflow("cannot convert float infinity to integer")
        : new BigInteger(number);

    private static double? ToFloat(Value value) => value switch
    {
        StringValue text => PythonText.ReadFloat(text.Text),
        UndefinedValue undefined => throw undefined.UndefinedError(),
        _ => Numbers.IsNumber(value) ? Operators.ToDouble(value) : null,
    };

    private static BigInteger RoundInteger(BigInteger number, int digits)
    {
        if (digits >= 0)
        {
            return number;
        }

        if (-digits > BigInteger.Abs(number).GetBitLength())
        {
            return 0;
        }

        BigInteger unit = BigInteger.Pow(10, -digits);
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(number), unit, out BigInteger rest);
        int half = (rest * 2).CompareTo(unit);
        quotient += half > 0 || (half == 0 && !quotient.IsEven) ? 1 : 0;
        return quotient * unit * number.Sign;
    }
}
