using System.Numerics;

namespace Conclave.Text;

/// <summary>Python's int: exact, of any size up to <see cref="MaxBits"/>.</summary>
internal sealed class IntegerValue(BigInteger number) : Value
{
    /// <summary>Python has no such limit; numbers this long are an attack on the clock.</summary>
    public const long MaxBits = 1 << 16;

    // Python refuses to write longer numbers out.
    private const int MaxDigits = 4300;

    private static readonly IntegerValue[] Small = CreateSmall();
    private static readonly BigInteger TooLong = BigInteger.Pow(10, MaxDigits);

    public BigInteger Number => number;

    public override string TypeName => "int";

    public override bool IsTrue => !number.IsZero;

    public static IntegerValue Of(long number) =>
        number is >= -16 and < 256 ? Small[number + 16] : new IntegerValue(number);

    public static IntegerValue Of(BigInteger number)
    {
        if (number.GetBitLength() > MaxBits)
        {
            throw TemplateErrors.Limit($"an integer of {number.GetBitLength()} bits; at most {MaxBits} are allowed");
        }

        return new IntegerValue(number);
    }

    /// <summary>The number in decimal digits.</summary>
    public static string Digits(BigInteger number) =>
        BigInteger.Abs(number) < TooLong
            ? number.ToString(System.Globalization.CultureInfo.InvariantCulture)
            : throw TemplateErrors.Value(
                $"Exceeds the limit ({MaxDigits} digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit");

    public override void WriteRepr(TextBuffer buffer) => buffer.Append(Digits(number));

    public override bool EqualTo(Value other) => Numbers.AreEqual(this, other);

    public override int Hash() => Numbers.Hash(number);

    public override Value? Attribute(RenderState state, string name) => Numbers.Attribute(this, name);

    private static IntegerValue[] CreateSmall()
    {
        IntegerValue[] small = new IntegerValue[272];
        for (int i = 0; i < small.Length; i++)
        {
            small[i] = new IntegerValue(i - 16);
        }

        return small;
    }
}
