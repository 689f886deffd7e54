namespace Conclave.Kernels;

/// <summary>
/// Elementary functions whose bits are the same on every platform: argument reduction and polynomials of fused multiply-adds, each rounded once by
/// IEEE 754. The functions of <see cref="Math"/> follow the platform's library.
/// </summary>
public static class Transcendental
{
    /// <summary>Up to which |x| <see cref="SinCos"/> is defined: the reduction's multiple of π/2 stays far below 2^53.</summary>
    public const double SinCosLimit = 1 << 30;

    // Beyond these every result is 0 or ∞ in binary32; the bounds keep the exponent within what two factors can scale by.
    internal const float LowestSingle = -104f;
    internal const float HighestSingle = 89f;
    internal const float Log2E = 1.44269504f;
    internal const float Ln2High = 0.693145752f;
    internal const float Ln2Low = 1.42860677e-6f;

    // The Taylor coefficients 1/7! … 1/2!; for |r| ≤ ln 2 / 2 what is left out is below 5e-9.
    internal const float Exp7 = 1f / 5040;
    internal const float Exp6 = 1f / 720;
    internal const float Exp5 = 1f / 120;
    internal const float Exp4 = 1f / 24;
    internal const float Exp3 = 1f / 6;
    internal const float Exp2 = 1f / 2;

    private const double LowestDouble = -746;
    private const double HighestDouble = 710;
    private const double Log2EDouble = 1.4426950408889634;

    // ln 2 = high + low, the high part short enough for its multiples by an exponent to be exact.
    private const double Ln2HighDouble = 0.693147180559663;
    private const double Ln2LowDouble = 2.8235290563031577e-13;

    // π/2 to 160 bits in three parts.
    private const double HalfPi1 = 1.5707963267948966;
    private const double HalfPi2 = 6.123233995736766e-17;
    private const double HalfPi3 = -1.4973849048591698e-33;
    private const double TwoOverPi = 0.6366197723675814;

    private const int MantissaBits = 52;
    private const int ExponentBias = 1023;
    private const double SqrtHalf = 0.7071067811865476;
    private const double TwoToThe54 = 18014398509481984;

    /// <summary>e^x within 1 unit in the last place; 0 and ∞ beyond the range, NaN stays NaN.</summary>
    public static float Exp(float x)
    {
        float bounded = Math.Min(Math.Max(x, LowestSingle), HighestSingle);
        float n = MathF.Round(bounded * Log2E, MidpointRounding.ToEven);
        float r = MathF.FusedMultiplyAdd(n, -Ln2High, bounded);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        float sum = MathF.FusedMultiplyAdd(Exp7, r, Exp6);
        sum = MathF.FusedMultiplyAdd(sum, r, Exp5);
        sum = MathF.FusedMultiplyAdd(sum, r, Exp4);
        sum = MathF.FusedMultiplyAdd(sum, r, Exp3);
        sum = MathF.FusedMultiplyAdd(sum, r, Exp2);
        sum = MathF.FusedMultiplyAdd(sum, r, 1f);
        sum = MathF.FusedMultiplyAdd(sum, r, 1f);

        // Two factors, because 2^128 and 2^-150 are no normal numbers; only the second product rounds. (NaN has become NaN · 1 · 1.)
        int exponent = (int)n;
        int half = exponent >> 1;
        return sum * PowerOfTwo(half) * PowerOfTwo(exponent - half);

        static float PowerOfTwo(int exponent) => BitConverter.Int32BitsToSingle((exponent + 127) << 23);
    }

    /// <summary>e^x within 1 unit in the last place; 0 and ∞ beyond the range, NaN stays NaN.</summary>
    public static double Exp(double x)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        double bounded = Math.Min(Math.Max(x, LowestDouble), HighestDouble);
        double n = Math.Round(bounded * Log2EDouble, MidpointRounding.ToEven);
        double r = Math.FusedMultiplyAdd(n, -Ln2HighDouble, bounded);
        r = Math.FusedMultiplyAdd(n, -Ln2LowDouble, r);
        double sum = Horner(
            r, [
                1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1.0, 1.0]);
        int exponent = (int)n;
        int half = exponent >> 1;
        return sum * PowerOfTwo(half) * PowerOfTwo(exponent - half);
    }

    /// <summary>ln x within 1 unit in the last place; −∞ for 0, NaN below 0.</summary>
    public static double Log(double x)
    {
        if (!(x > 0) || double.IsPositiveInfinity(x))
        {
            return x == 0 ? double.NegativeInfinity : x > 0 ? x : double.NaN;
        }

        int exponent = 0;
        if (!double.IsNormal(x))
        {
            x *= TwoToThe54;
            exponent = -54;
        }

        // x = 2^exponent · (1 + f) with 1 + f in [√½, √2).
        long bits = BitConverter.DoubleToInt64Bits(x);
        exponent += (int)(bits >> MantissaBits) - ExponentBias + 1;
        double mantissa = BitConverter.Int64BitsToDouble((bits & ((1L << MantissaBits) - 1)) | ((ExponentBias - 1L) << MantissaBits));
        if (mantissa < SqrtHalf)
        {
            mantissa *= 2;
            exponent--;
        }

        double f = mantissa - 1;

        // With s = f/(2 + f): ln(1 + f) = 2·artanh(s) = f − s·(f − R), R = 2(s²/3 + s⁴/5 + …); written so that f enters without rounding.
        double s = f / (2 + f);
        double z = s * s;
        double series = z * Horner(
            z, [2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11, 2.0 / 9, 2.0 / 7, 2.0 / 5, 2.0 / 3]);
        double halfSquare = 0.5 * f * f;
        double low = Math.FusedMultiplyAdd(exponent, Ln2LowDouble, s * (halfSquare + series));
        return Math.FusedMultiplyAdd(exponent, Ln2HighDouble, f - (halfSquare - low));
    }

    /// <summary>Sine and cosine, each within 1 unit in the last place, for |x| ≤ <see cref="SinCosLimit"/>; NaN stays NaN.</summary>
    /// <exception cref="ArgumentOutOfRangeException">|x| is greater.</exception>
    public static (double Sin, double Cos) SinCos(double x)
    {
        if (Math.Abs(x) > SinCosLimit)
        {
            throw new ArgumentOutOfRangeException(nameof(x), x, $"the angle must lie within ±{SinCosLimit}");
        }

        if (double.IsNaN(x))
        {
            return (x, x);
        }

        // x − n·π/2 as high + low (Cody and Waite): the first difference is exact; beside a multiple of π/2 the second may be greater than what is
        // left, so its rounding error is found without asking which is (Knuth's two-sum).
        double n = Math.Round(x * TwoOverPi, MidpointRounding.ToEven);
        double first = Math.FusedMultiplyAdd(n, -HalfPi1, x);
        double second = n * HalfPi2;
        double high = first - second;
        double taken = high - first;
        double low = first - (high - taken) - (second + taken);
        low -= Math.FusedMultiplyAdd(n, HalfPi2, -second);
        low = Math.FusedMultiplyAdd(n, -HalfPi3, low);

        double z = high * high;
        double sinSeries = Horner(
            z, [
                1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120,
                -1.0 / 6]);
        double cosSeries = Horner(
            z, [
                -1.0 / 6402373705728000, 1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320,
                -1.0 / 720, 1.0 / 24]);

        // sin(high + low) ≈ sin(high) + low·cos(high), and cos accordingly; cos ≈ 1 − z/2 keeps what that difference rounds away.
        double halfSquare = 0.5 * z;
        double leading = 1 - halfSquare;
        double sin = high + Math.FusedMultiplyAdd(z * high, sinSeries, low * leading);
        double cos = leading + (1 - leading - halfSquare + ((z * z * cosSeries) - (high * low)));
        return ((long)n & 3) switch
        {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
    }

    private static double PowerOfTwo(int exponent) => BitConverter.Int64BitsToDouble((exponent + (long)ExponentBias) << MantissaBits);

    private static double Horner(double x, ReadOnlySpan<double> coefficients)
    {
        double sum = coefficients[0];
        foreach (double coefficient in coefficients[1..])
        {
            sum = Math.FusedMultiplyAdd(sum, x, coefficient);
        }

        return sum;
    }
}
