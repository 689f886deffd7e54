using System.Globalization;

namespace Conclave.Text;

/// <summary>Floats as Python's <c>repr</c> writes them: the shortest digits that read back, exponents from 1e16 and below 1e-4.</summary>
internal static class FloatText
{
    public static string Repr(double number)
    {
        if (double.IsNaN(number))
        {
            return "nan";
        }

        if (double.IsInfinity(number))
        {
            return number > 0 ? "inf" : "-inf";
        }

        (bool negative, string digits, int exponent) = Shortest(number);
        string sign = negative ? "-" : "";
        if (exponent is >= -4 and < 16)
        {
            return sign + Positional(digits, exponent);
        }

        string fraction = digits.Length > 1 ? "." + digits[1..] : "";
        return $"{sign}{digits[0]}{fraction}e{Exponent(exponent)}";
    }

    /// <summary>An exponent with its sign and at least two digits.</summary>
    public static string Exponent(int exponent) =>
        (exponent < 0 ? "-" : "+") + Math.Abs(exponent).ToString("00", CultureInfo.InvariantCulture);

    /// <summary>Significant digits without trailing zeros and the power of ten of the first one.</summary>
    public static (bool Negative, string Digits, int Exponent) Shortest(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        bool negative = text.StartsWith('-');
        text = text.TrimStart('-');
        int mark = text.IndexOf('E', StringComparison.Ordinal);
        int scale = mark < 0 ? 0 : int.Parse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = mark < 0 ? text : text[..mark];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        int whole = point < 0 ? mantissa.Length : point;
        string all = mantissa.Replace(".", "", StringComparison.Ordinal);
        string significant = all.TrimStart('0');
        string digits = significant.TrimEnd('0');
        return digits.Length == 0 ? (negative, "0", 0) : (negative, digits, scale + whole - 1 - (all.Length - significant.Length));
    }

    private static string Positional(string digits, int exponent)
    {
        if (exponent < 0)
        {
            return "0." + new string('0', -exponent - 1) + digits;
        }

        return digits.Length <= exponent + 1
            ? digits + new string('0', exponent + 1 - digits.Length) + ".0"
            : digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }
}
