using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed class TranscendentalTests
{
    [Fact]
    public void Exp_of_singles_is_within_one_ulp() =>
        Gen.Float[-104f, 89f].Sample(
            x => Assert.InRange(Math.Abs(Units(Transcendental.Exp(x), Math.Exp(x))), 0, 1.0), iter: 200_000);

    [Fact]
    public void Exp_of_small_singles_is_within_one_ulp() =>
        Gen.Select(Gen.Float[-1f, 1f], Gen.Int[0, 40])
            .Select((x, shift) => x * MathF.ScaleB(1, -shift))
            .Sample(x => Assert.InRange(Math.Abs(Units(Transcendental.Exp(x), Math.Exp(x))), 0, 1.0), iter: 100_000);

    [Theory]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(-1e30f, 0f)]
    [InlineData(-104f, 0f)]
    [InlineData(-103.9f, 1.401298464e-45f)]
    [InlineData(0f, 1f)]
    [InlineData(88.72284f, float.PositiveInfinity)]
    [InlineData(1e30f, float.PositiveInfinity)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.NaN, float.NaN)]
    public void Exp_of_singles_at_its_limits(float x, float expected) => Assert.Equal(expected, Transcendental.Exp(x));

    [Fact]
    public void The_greatest_finite_exponential_is_finite() => Assert.True(float.IsFinite(Transcendental.Exp(88.7228f)));

    [Fact]
    public void Exp_of_doubles_is_within_two_ulps() =>
        Gen.Double[-708, 709].Sample(x => AssertUlps(Math.Exp(x), Transcendental.Exp(x), 2), iter: 100_000);

    [Theory]
    [InlineData(double.NegativeInfinity, 0.0)]
    [InlineData(-746.0, 0.0)]
    [InlineData(-745.1, 4.94065645841247e-324)]
    [InlineData(0.0, 1.0)]
    [InlineData(710.0, double.PositiveInfinity)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(double.NaN, double.NaN)]
    public void Exp_of_doubles_at_its_limits(double x, double expected) => Assert.Equal(expected, Transcendental.Exp(x));

    [Fact]
    public void Log_is_within_two_ulps()
    {
        Gen.Double[1e-3, 1e3].Sample(x => AssertUlps(Math.Log(x), Transcendental.Log(x), 2), iter: 100_000);
        Gen.Double[0.7, 1.5].Sample(x => AssertUlps(Math.Log(x), Transcendental.Log(x), 2), iter: 100_000);
        Gen.Long[1, 0x7FEF_FFFF_FFFF_FFFF].Select(BitConverter.Int64BitsToDouble)
            .Sample(x => AssertUlps(Math.Log(x), Transcendental.Log(x), 2), iter: 100_000);
    }

    [Theory]
    [InlineData(0.0, double.NegativeInfinity)]
    [InlineData(-1.0, double.NaN)]
    [InlineData(1.0, 0.0)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity, double.NaN)]
    [InlineData(double.NaN, double.NaN)]
    public void Log_at_its_limits(double x, double expected) => Assert.Equal(expected, Transcendental.Log(x));

    [Fact]
    public void SinCos_is_within_two_ulps()
    {
        Gen.Double[-4, 4].Sample(AssertSinCos, iter: 100_000);
        Gen.Double[-1e7, 1e7].Sample(AssertSinCos, iter: 100_000);
        Gen.Double[-Transcendental.SinCosLimit, Transcendental.SinCosLimit].Sample(AssertSinCos, iter: 100_000);
        Gen.Int[0, 10_000_000].Select(n => (double)n).Sample(AssertSinCos, iter: 100_000);

        // The neighbours of multiples of π/2 are where the reduction cancels most.
        Gen.Select(Gen.Int[1, 600_000_000], Gen.Int[-2, 2])
            .Select((n, steps) => BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(n * (Math.PI / 2)) + steps))
            .Sample(AssertSinCos, iter: 100_000);
    }

    [Fact]
    public void SinCos_at_its_limits()
    {
        Assert.Equal((0.0, 1.0), Transcendental.SinCos(0));
        Assert.True(double.IsNaN(Transcendental.SinCos(double.NaN).Sin));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transcendental.SinCos(Transcendental.SinCosLimit * 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transcendental.SinCos(double.NegativeInfinity));
    }

    private static void AssertSinCos(double x)
    {
        (double sin, double cos) = Transcendental.SinCos(x);
        AssertUlps(Math.Sin(x), sin, 2);
        AssertUlps(Math.Cos(x), cos, 2);
    }

    // The platform's function is itself off by up to half a unit and a little, so two are one of ours and one of theirs.
    private static void AssertUlps(double expected, double actual, long ulps) =>
        Assert.InRange(Math.Abs(BitConverter.DoubleToInt64Bits(expected) - BitConverter.DoubleToInt64Bits(actual)), 0, ulps);

    private static double Units(float actual, double exact)
    {
        double unit = MathF.BitIncrement(MathF.Abs((float)exact)) - (double)MathF.Abs((float)exact);
        return exact > float.MaxValue ? 0 : (actual - exact) / unit;
    }
}
