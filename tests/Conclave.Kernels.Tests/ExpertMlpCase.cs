using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>Random experts of one shape, and what they compute in binary64.</summary>
internal sealed class ExpertMlpCase : IDisposable
{
    private readonly MatMulCase[] _matrices;

    public ExpertMlpCase(Random random, ElementFormat format, int experts, int inner, int hidden)
    {
        Inner = inner;
        Hidden = hidden;
        int block = format == ElementFormat.F8_E4M3 ? random.Next(1, 150) : 0;
        _matrices = [.. Enumerable.Range(0, experts * 3).Select(i =>
            i % 3 == 2
                ? new MatMulCase(random, format, hidden, inner, block, block + 3)
                : new MatMulCase(random, format, inner, hidden, block, block + 3))];
        Weights = [.. Enumerable.Range(0, experts).Select(e =>
            new MlpWeights(_matrices[3 * e].View, _matrices[(3 * e) + 1].View, _matrices[(3 * e) + 2].View))];
    }

    public int Inner { get; }

    public int Hidden { get; }

    public MlpWeights[] Weights { get; }

    public void Check(int expert, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        double epsilon = Math.ScaleB(1, -24);
        double inBound = (2 + (4 * Math.Sqrt(Hidden))) * epsilon;
        double outBound = (2 + (4 * Math.Sqrt(Inner))) * epsilon;
        double[] activation = new double[Inner];
        double[] error = new double[Inner];
        for (int i = 0; i < Inner; i++)
        {
            (double z, double zError) = Sum(_matrices[3 * expert], i, x, inBound);
            (double up, double upError) = Sum(_matrices[(3 * expert) + 1], i, x, inBound);
            double silu = z / (1 + Transcendental.Exp(-z));
            double siluError = (1.1 * zError) + (8 * epsilon * Math.Abs(silu));
            activation[i] = silu * up;
            error[i] = (siluError * (Math.Abs(up) + upError)) + (Math.Abs(silu) * upError) + (epsilon * Math.Abs(silu * up));
        }

        for (int h = 0; h < Hidden; h++)
        {
            double sum = 0;
            double bound = 1e-37;
            for (int i = 0; i < Inner; i++)
            {
                double w = _matrices[(3 * expert) + 2].Value(h, i);
                sum += w * activation[i];
                bound += Math.Abs(w) * (error[i] + (outBound * (Math.Abs(activation[i]) + error[i])));
            }

            Assert.True(Math.Abs(y[h] - sum) <= bound, $"expert {expert} of [{Inner}, {Hidden}]: y[{h}] = {y[h]}, exact {sum}, bound {bound}");
        }
    }

    public void Dispose() => Array.ForEach(_matrices, matrix => matrix.Dispose());

    private static (double Sum, double Error) Sum(MatMulCase matrix, int row, ReadOnlySpan<float> x, double relative)
    {
        double sum = 0;
        double magnitude = 0;
        for (int k = 0; k < x.Length; k++)
        {
            double product = matrix.Value(row, k) * x[k];
            sum += product;
            magnitude += Math.Abs(product);
        }

        return (sum, relative * magnitude);
    }
}
