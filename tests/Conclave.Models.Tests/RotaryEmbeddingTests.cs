using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models.Tests;

public sealed class RotaryEmbeddingTests
{
    [Fact]
    public void AnglesArePositionTimesFrequency()
    {
        RotaryEmbedding rotary = new(Configs.Routing(1, 1));
        int[] positions = [0, 1, 7, 63];
        (float[,] cos, float[,] sin) = Fill(rotary, positions);
        for (int row = 0; row < positions.Length; row++)
        {
            for (int i = 0; i < 4; i++)
            {
                double angle = positions[row] * Math.Pow(10000, -2.0 * i / 8);
                Assert.Equal(Math.Cos(angle), cos[row, i], 1e-5);
                Assert.Equal(Math.Sin(angle), sin[row, i], 1e-5);
            }
        }
    }

    [Fact]
    public void YarnKeepsFastPairsAndStretchesSlowOnes()
    {
        ModelConfig config = Configs.Routing(1, 1) with
        {
            RopeDim = 64,
            Yarn = new YarnScaling(40, 4096, 32, 1, 1, 1),
        };
        (_, float[,] sin) = Fill(new RotaryEmbedding(config), [1], pairs: 32);

        // DeepSeek-V3's ramp: pair 10 (of 32) is the last one kept, pair 23 the first one stretched by the whole factor.
        Assert.Equal(Math.Sin(Math.Pow(10000, -10.0 / 32)), sin[0, 10], 1e-6);
        Assert.Equal(Math.Pow(10000, -23.0 / 32) / 40, sin[0, 23], 1e-9);
        Assert.True(sin[0, 16] < Math.Pow(10000, -16.0 / 32) && sin[0, 16] > Math.Pow(10000, -16.0 / 32) / 40);
    }

    [Fact]
    public void YarnMagnitudesCancelInTheTableAndStayInTheScale()
    {
        ModelConfig config = Configs.Routing(1, 1) with { Yarn = new YarnScaling(40, 4096, 32, 1, 0.707, 0.707) };
        RotaryEmbedding rotary = new(config);
        (float[,] cos, _) = Fill(rotary, [0]);
        double magnitude = (0.1 * 0.707 * Math.Log(40)) + 1;
        Assert.Equal(1f, cos[0, 0]);
        Assert.Equal(magnitude * magnitude / Math.Sqrt(16), rotary.AttentionScale, 1e-12);
    }

    [Fact]
    public void YarnWithoutMscaleAllDimScalesTheTable()
    {
        ModelConfig config = Configs.Routing(1, 1) with { Yarn = new YarnScaling(4, 4096, 32, 1, 1, 0) };
        RotaryEmbedding rotary = new(config);
        (float[,] cos, _) = Fill(rotary, [0]);
        Assert.Equal((0.1 * Math.Log(4)) + 1, cos[0, 0], 1e-6);
        Assert.Equal(1 / Math.Sqrt(16), rotary.AttentionScale, 1e-12);
    }

    [Fact]
    public void AnAttentionFactorScalesTheTableAlone()
    {
        ModelConfig config = Configs.Routing(1, 1) with { Yarn = new YarnScaling(40, 4096, 32, 1, 1, 0.707) { AttentionFactor = 1.25 } };
        RotaryEmbedding rotary = new(config);
        (float[,] cos, _) = Fill(rotary, [0]);
        double magnitude = (0.1 * 0.707 * Math.Log(40)) + 1;
        Assert.Equal(1.25f, cos[0, 0]);
        Assert.Equal(magnitude * magnitude / Math.Sqrt(16), rotary.AttentionScale, 1e-12);
    }

    private static (float[,] Cos, float[,] Sin) Fill(RotaryEmbedding rotary, int[] positions, int pairs = 4)
    {
        using NativeBuffer cosBuffer = NativeBuffer.ForF32(positions.Length, pairs, out TensorView cos);
        using NativeBuffer sinBuffer = NativeBuffer.ForF32(positions.Length, pairs, out TensorView sin);
        rotary.Fill(positions, cos, sin);
        float[,] c = new float[positions.Length, pairs];
        float[,] s = new float[positions.Length, pairs];
        for (int row = 0; row < positions.Length; row++)
        {
            for (int i = 0; i < pairs; i++)
            {
                c[row, i] = cos.RowF32(row)[i];
                s[row, i] = sin.RowF32(row)[i];
            }
        }

        return (c, s);
    }
}
