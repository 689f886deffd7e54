using System.Globalization;
using System.Numerics;

namespace Conclave.Text;

/// <summary>Floats with a given number of digits, rounded half to even on the exact binary value as C's printf does.</summary>
internal static class FloatFormat
{
    // No double has more digits than this after its point; what follows are zeros.
    private const int MaxDigits = 1100;

    /// <summary>Format types e, E, f, F, g and G; <paramref name="alternate"/> keeps the point and trailing zeros.</summary>
    public static string Format(RenderState state, double number, char type, int precision, bool alternate)
    {
        state.CheckLength(precision);
        bool upper = char.IsAsciiLetterUpper(type);
        string text = double.IsNaN(number) ? "nan"
            : double.IsInfinity(number) ? "inf"
            : char.ToLowerInvariant(type) switch
            {
                'f' => Fixed(Math.Abs(number), precision, alternate),
                'e' => Scientific(Math.Abs(number), precision, alternate),
                _ => General(Math.Abs(number), precision, alternate),
            };
        string sign = double.IsNegative(number) && !double.IsNaN(number) ? "-" : "";
        return sign + (upper ? text.ToUpperInvariant() : text);
    }

    /// <summary>Python's <c>round(x, digits)</c>.</summary>
    public static double Round(double number, int digits)
    {
        if (!double.IsFinite(number) || digits > 330)
        {
            return number;
        }

        if (digits < -310)
        {
            return Math.CopySign(0, number);
        }

        BigInteger scaled = Scale(Math.Abs(number), digits);
        double rounded = double.Parse(
            string.Create(CultureInfo.InvariantCulture, $"{scaled}E{-digits}"), NumberStyles.Float, CultureInfo.InvariantCulture);
        return double.IsInfinity(rounded)
            ? throw TemplateErrors.Overflow("rounded value too large to represent")
            : Math.CopySign(rounded, number);
    }

    private static string Fixed(double number, int precision, bool alternate)
    {
        int digits = Math.Min(precision, MaxDigits);
        string text = Scale(number, digits).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        string fraction = text[^digits..] + new string('0', precision - digits);
        return text[..^digits] + (fraction.Length > 0 || alternate ? "." : "") + fraction;
    }

    private static string Scientific(double number, int precision, bool alternate)
    {
        (string digits, int exponent) = Significant(number, Math.Min(precision, MaxDigits) + 1);
        string fraction = digits[1..] + new string('0', Math.Max(0, precision - MaxDigits));
        return digits[..1] + (fraction.Length > 0 || alternate ? "." : "") + fraction + "e" + FloatText.Exponent(exponent);
    }

    private static string General(double number, int precision, bool alternate)
    {
        int wanted = Math.Max(1, precision);
        (string digits, int exponent) = Significant(number, Math.Min(wanted, MaxDigits));
        string text = exponent < -4 || exponent >= wanted
            ? Scientific(number, wanted - 1, alternate)
            : Fixed(number, wanted - 1 - exponent, alternate);
        if (alternate || !text.Contains('.', StringComparison.Ordinal))
        {
            return text;
        }

        int mark = text.IndexOf('e', StringComparison.Ordinal);
        string mantissa = (mark < 0 ? text : text[..mark]).TrimEnd('0').TrimEnd('.');
        return mark < 0 ? mantissa : mantissa + text[mark..];
    }

    private static (string Digits, int Exponent) Significant(double number, int count)
    {
        if (number == 0)
        {
            return (new string('0', count), 0);
        }

        int exponent = FloatText.Shortest(number).Exponent;
        string digits = Scale(number, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        return digits.Length > count ? (digits[..count], exponent + 1) : (digits, exponent);
    }

    /// <summary>number · 10^digits, rounded half to even.</summary>
    private static BigInteger Scale(double number, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(number);
        int biased = (int)((bits >> 52) & 0x7FF);
        BigInteger top = (bits & 0xFFFFFFFFFFFFF) | (biased == 0 ? 0 : 1L << 52);
        int power = (biased == 0 ? 1 : biased) - 1075;
        BigInteger bottom = BigInteger.One;
        if (power >= 0)
        {
            top <<= power;
        }
        else
        {
            bottom <<= -power;
        }

        if (digits >= 0)
        {
            top *= BigInteger.Pow(10, digits);
        }
        else
        {
            bottom *= BigInteger.Pow(10, -digits);
        }

        BigInteger quotient = BigInteger.DivRem(top, bottom, out BigInteger rest);
        int half = (rest * 2).CompareTo(bottom);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
