using Conclave.Primitives;
using CsCheck;

namespace Conclave.Kernels.Tests;

/// <summary>RMS norm, rotary embedding, scaled addition: against binary64, and the bit contract.</summary>
public sealed unsafe class RowOperatorTests
{
    // A handful of roundings of binary32 (6e-8 each) and sums of squares of at most 500 elements in at least 8 chains.
    private const double Tolerance = 2e-6;

    public static TheoryData<string> All => Sets.All;

    [Theory]
    [MemberData(nameof(All))]
    public void Rms_norm_is_the_formula(string set)
    {
        using WorkerTeam team = new(3);
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 500], Gen.Int[0, 7], Gen.Bool, Gen.Int).Sample(
            (rows, columns, padding, inPlace, seed) =>
            {
                Random random = new(seed);
                using Matrix x = Matrix.Random(random, rows, columns, 3, padding);
                using Matrix gain = Matrix.Random(random, 1, columns);
                using Matrix other = Matrix.Random(random, rows, columns);
                double[][] exact = x.Exact();
                TensorView y = inPlace ? x.View : other.View;
                KernelSet.Find(set).RmsNorm.Run(x.View, gain.View, 1e-5f, y, team);
                for (int r = 0; r < rows; r++)
                {
                    double factor = 1 / Math.Sqrt(exact[r].Average(value => value * value) + 1e-5f);
                    for (int k = 0; k < columns; k++)
                    {
                        double expected = exact[r][k] * factor * gain[0, k];
                        Assert.InRange(y.PointerF32(r)[k], expected - (Tolerance * Math.Abs(expected)), expected + (Tolerance * Math.Abs(expected)));
                    }
                }
            },
            iter: 100,
            threads: 1);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Rotary_turns_pairs_and_leaves_the_rest_alone(string set)
    {
        using WorkerTeam team = new(3);
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 5], Gen.Int[1, 40], Gen.Int[0, 5], Gen.Int[0, 5], Gen.Bool, Gen.Int).Sample(
            (rows, heads, pairs, offset, gap, interleaved, seed) =>
            {
                Random random = new(seed);
                int stride = offset + (2 * pairs) + gap;
                using Matrix x = Matrix.Random(random, rows, heads * stride, padding: 3);
                using Matrix cos = Matrix.Random(random, rows, pairs);
                using Matrix sin = Matrix.Random(random, rows, pairs);
                double[][] before = x.Exact();
                KernelSet.Find(set).Rotary.Run(x.View, heads, stride, offset, cos.View, sin.View, interleaved, team);
                for (int r = 0; r < rows; r++)
                {
                    double[] expected = [.. before[r]];
                    for (int pair = 0; pair < heads * pairs; pair++)
                    {
                        (int head, int i) = Math.DivRem(pair, pairs);
                        int first = (head * stride) + offset + (interleaved ? 2 * i : i);
                        int second = first + (interleaved ? 1 : pairs);
                        expected[first] = (before[r][first] * cos[r, i]) - (before[r][second] * sin[r, i]);
                        expected[second] = (before[r][first] * sin[r, i]) + (before[r][second] * cos[r, i]);
                    }

                    for (int k = 0; k < expected.Length; k++)
                    {
                        // Differences cancel, so the error is measured by the size of what is subtracted: values up to 6 times 6.
                        bool turned = k % stride >= offset && k % stride < offset + (2 * pairs);
                        Assert.InRange(Math.Abs(x[r, k] - expected[k]), 0, turned ? 36 * 1.2e-7 : 0);
                    }
                }
            },
            iter: 200,
            threads: 1);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Scaled_addition_is_one_fused_multiply_add(string set)
    {
        using WorkerTeam team = new(3);
        Gen.Select(Gen.Int[0, 4], Gen.Int[1, 100], Gen.Int).Sample(
            (rows, columns, seed) =>
            {
                Random random = new(seed);
                float scale = random.NextSingle() - 0.5f;
                using Matrix x = Matrix.Random(random, rows, columns, padding: 1);
                using Matrix y = Matrix.Random(random, rows, columns);
                int[] expected = [.. Enumerable.Range(0, rows * columns).Select(i => BitConverter.SingleToInt32Bits(
                    MathF.FusedMultiplyAdd(scale, x[i / columns, i % columns], y[i / columns, i % columns])))];
                KernelSet.Find(set).ScaledAdd.Run(x.View, scale, y.View, team);
                Assert.Equal(expected, y.Bits());
            },
            iter: 100,
            threads: 1);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Bits_do_not_depend_on_the_rows_beside_or_on_threads(string set)
    {
        KernelSet kernels = KernelSet.Find(set);
        const int Rows = 7;
        const int Columns = 203;
        using Matrix x = Matrix.Random(new Random(5), Rows, Columns);
        using Matrix gain = Matrix.Random(new Random(6), 1, Columns);
        using Matrix cos = Matrix.Random(new Random(7), Rows, 21);
        using Matrix sin = Matrix.Random(new Random(8), Rows, 21);
        int[]? expected = null;
        for (int threads = 1; threads <= 8; threads++)
        {
            using WorkerTeam team = new(threads);
            foreach (int chunk in (int[])[1, 2, 3, Rows])
            {
                using Matrix y = Matrix.Zero(Rows, Columns);
                for (int row = 0; row < Rows; row += chunk)
                {
                    int rows = Math.Min(chunk, Rows - row);
                    TensorView part = y.View.SliceRows(row, rows);
                    kernels.RmsNorm.Run(x.View.SliceRows(row, rows), gain.View, 1e-6f, part, team);
                    kernels.Rotary.Run(part, 3, 60, 5, cos.View.SliceRows(row, rows), sin.View.SliceRows(row, rows), interleaved: true, team);
                }

                expected ??= y.Bits();
                Assert.Equal(expected, y.Bits());
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Shapes_that_do_not_fit_are_refused(string set)
    {
        KernelSet kernels = KernelSet.Find(set);
        using WorkerTeam team = new(1);
        using Matrix x = Matrix.Zero(2, 8);
        using Matrix narrow = Matrix.Zero(2, 7);
        using Matrix row = Matrix.Zero(1, 8);
        using Matrix angles = Matrix.Zero(2, 4);
        Assert.Throws<ArgumentException>(() => kernels.RmsNorm.Run(x.View, x.View, 1e-6f, x.View, team));
        Assert.Throws<ArgumentException>(() => kernels.RmsNorm.Run(x.View, row.View, 1e-6f, narrow.View, team));
        Assert.Throws<ArgumentException>(() => kernels.ScaledAdd.Run(x.View, 1, narrow.View, team));
        Assert.Throws<ArgumentException>(() => kernels.Rotary.Run(x.View, 1, 8, 1, angles.View, angles.View, interleaved: true, team));
        Assert.Throws<ArgumentException>(() => kernels.Rotary.Run(x.View, 2, 8, 0, angles.View, angles.View, interleaved: true, team));
        Assert.Throws<ArgumentException>(() => kernels.Rotary.Run(x.View, 1, 8, 0, angles.View, x.View, interleaved: true, team));
    }
}
