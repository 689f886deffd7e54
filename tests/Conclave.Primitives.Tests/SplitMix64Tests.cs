namespace Conclave.Primitives.Tests;

/// <summary>Numbers that texts, prompts and weights are made of: they may never change.</summary>
public sealed class SplitMix64Tests
{
    [Fact]
    public void NumbersAreThoseOfTheReferenceCode() => Assert.Equal(
        [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F], Enumerable.Range(0, 3).Select(i => SplitMix64.At(0, (ulong)i)));

    [Fact]
    public void NumbersAreMappedFromTheirHighestBits()
    {
        Assert.Equal(0xE220A8397B1DCDAF / Math.Pow(2, 64), SplitMix64.Uniform(0, 0), 1e-15);
        Assert.Equal((int)(10 * (0xE220A8397B1DCDAF / Math.Pow(2, 64))), SplitMix64.Below(0, 0, 10));
    }
}
