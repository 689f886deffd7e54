using System.Runtime.Intrinsics;
using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed unsafe class SimdExpTests
{
    [Fact]
    public void Avx2_has_the_bits_of_the_scalar_function()
    {
        Assert.SkipUnless(Avx2Simd.IsSupported, "no AVX2");
        Check<Avx2Simd, Vector256<float>>();
    }

    [Fact]
    public void Avx512_has_the_bits_of_the_scalar_function()
    {
        Assert.SkipUnless(Avx512Simd.IsSupported, "no AVX-512");
        Check<Avx512Simd, Vector512<float>>();
    }

    private static void Check<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float[] special =
        [
            0, -0f, 1, -1, float.Epsilon, float.MaxValue, float.MinValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN,
            -104, -103.9f, -103.97f, -87.3f, -87.4f, 88.72f, 88.7229f, 89,
        ];
        Gen<float> any = Gen.OneOf(
            Gen.Int[0, special.Length - 1].Select(i => special[i]),
            Gen.Float[-110, 95],
            Gen.Float[-1, 1],
            Gen.Int.Select(BitConverter.Int32BitsToSingle));
        any.Array[TSimd.Lanes].Sample(
            x =>
            {
                float[] y = new float[x.Length];
                fixed (float* source = x, target = y)
                {
                    TSimd.Store(target, SimdExp<TSimd, TVector>.Exp(TSimd.Load(source)));
                }

                for (int i = 0; i < x.Length; i++)
                {
                    Assert.Equal(Bits(Transcendental.Exp(x[i])), Bits(y[i]));
                }
            },
            iter: 20_000);
    }

    // All NaN are one.
    private static int Bits(float value) => float.IsNaN(value) ? -1 : BitConverter.SingleToInt32Bits(value);
}
