using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// The angles of rotary position embedding: θ_i(p) = p · f_i with f_i = base^(−2i/d) (RoFormer, section 3.2.2), or with YaRN's ramp between
/// extrapolated f_i and interpolated f_i ÷ factor ("YaRN: Efficient Context Window Extension", sections 3.2 and 3.4). Frequencies and the product
/// with the position are rounded to binary32, as in the code the models were trained with.
/// </summary>
public sealed class RotaryEmbedding
{
    private readonly float[] _frequencies;
    private readonly float _magnitude;

    /// <summary>Computes the frequencies of a model.</summary>
    public RotaryEmbedding(ModelConfig config)
    {
        int pairs = config.RopeDim / 2;
        _frequencies = new float[pairs];
        double logBase = Transcendental.Log(config.RopeTheta);
        for (int i = 0; i < pairs; i++)
        {
            _frequencies[i] = (float)(1.0 / (float)Transcendental.Exp(logBase * (2.0 * i / config.RopeDim)));
        }

        _magnitude = 1f;
        AttentionScale = 1.0 / Math.Sqrt(config.NopeDim + config.RopeDim);
        if (config.Yarn is { } yarn)
        {
            ApplyYarn(yarn, logBase, config.RopeDim);
            double scale = Magnitude(yarn.Factor, yarn.MscaleAllDim);
            _magnitude = (float)(yarn.AttentionFactor ?? (Magnitude(yarn.Factor, yarn.Mscale) / scale));
            AttentionScale *= scale * scale;
        }
    }

    /// <summary>
    /// What attention scores are multiplied by: (qk_nope_head_dim + qk_rope_head_dim)^(−1/2), times the square of YaRN's magnitude
    /// 0.1 · mscale_all_dim · ln(factor) + 1 where the model has one.
    /// </summary>
    public double AttentionScale { get; }

    /// <summary>Cosines and sines of the positions.</summary>
    /// <param name="positions">One position for each row.</param>
    /// <param name="cos">[positions, RopeDim ÷ 2] F32, written.</param>
    /// <param name="sin">[positions, RopeDim ÷ 2] F32, written.</param>
    public void Fill(ReadOnlySpan<int> positions, TensorView cos, TensorView sin)
    {
        for (int row = 0; row < positions.Length; row++)
        {
            Span<float> cosRow = cos.RowF32(row);
            Span<float> sinRow = sin.RowF32(row);
            for (int i = 0; i < _frequencies.Length; i++)
            {
                float angle = positions[row] * _frequencies[i];
                (double sine, double cosine) = Transcendental.SinCos(angle);
                cosRow[i] = (float)cosine * _magnitude;
                sinRow[i] = (float)sine * _magnitude;
            }
        }
    }

    private static double Magnitude(double factor, double mscale) =>
        factor <= 1 ? 1 : (0.1 * mscale * Transcendental.Log(factor)) + 1;

    private void ApplyYarn(YarnScaling yarn, double logBase, int dimensions)
    {
        // The pair whose wavelength makes that many turns within the original context.
        double PairOfTurns(double turns) =>
            dimensions * Transcendental.Log(yarn.OriginalMaxPositions / (turns * 2 * Math.PI)) / (2 * logBase);

        double low = Math.Max(Math.Floor(PairOfTurns(yarn.BetaFast)), 0);
        double high = Math.Min(Math.Ceiling(PairOfTurns(yarn.BetaSlow)), dimensions - 1);
        // The least width is that of YaRN's reference code, which must not divide by 0 either.
        double width = low == high ? 0.001 : high - low;
        for (int i = 0; i < _frequencies.Length; i++)
        {
            float interpolation = (float)Math.Clamp((i - low) / width, 0, 1);
            float extrapolated = _frequencies[i];
            float interpolated = (float)(extrapolated / yarn.Factor);
            _frequencies[i] = (interpolated * interpolation) + (extrapolated * (1 - interpolation));
        }
    }
}
