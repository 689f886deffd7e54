using Conclave.Primitives;
using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed unsafe class ExpertMlpTests
{
    private static readonly ElementFormat[] Formats = [ElementFormat.F32, ElementFormat.F16, ElementFormat.BF16, ElementFormat.F8_E4M3];

    public static TheoryData<string> All => Sets.All;

    /// <summary>
    /// Gate and up are each within g = (2 + 4√H)·2^-24·Σ|x·w| of the exact sums (see MatMulTests), silu has slope 1.1 at most and is computed within 8
    /// roundings, so each inner activation a has an error δ, and the output one of Σ|w_down|·δ + (2 + 4√I)·2^-24·Σ|w_down·a|. The reference's own is smaller.
    /// </summary>
    [Theory, MemberData(nameof(All))]
    public void OutputsAreNearTheExactOnes(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(2);
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                using ExpertMlpCase c = new(random, Formats[random.Next(4)], random.Next(1, 6), random.Next(1, 150), random.Next(1, 150));
                int[] offsets = Offsets(random, c.Weights.Length, 12);
                int[] sources = Sources(random, offsets[^1], out int inputs);
                using NativeBuffer xs = MatMulTests.Input(random, inputs, c.Hidden, out TensorView x);
                using NativeBuffer ys = NativeBuffer.ForF32(offsets[^1], c.Hidden, out TensorView y);
                mlp.Run(c.Weights, new ExpertRows(offsets, sources), x, y, team);
                for (int e = 0; e < c.Weights.Length; e++)
                {
                    for (int r = offsets[e]; r < offsets[e + 1]; r++)
                    {
                        c.Check(e, x.RowF32(sources.Length == 0 ? r : sources[r]), y.RowF32(r));
                    }
                }
            },
            iter: 30,
            threads: 1);
    }

    [Theory, MemberData(nameof(All))]
    public void EveryRowHasTheBitsThatItHasAloneOnAnyThreads(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        WorkerTeam[] teams = [new(1), new(2), new(3), new(4)];
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                using ExpertMlpCase c = new(random, Formats[random.Next(4)], random.Next(1, 9), random.Next(1, 300), random.Next(1, 300));
                int[] offsets = Offsets(random, c.Weights.Length, random.Next(2) == 0 ? 3 : 120);
                int[] sources = Sources(random, offsets[^1], out int inputs);
                using NativeBuffer xs = MatMulTests.Input(random, inputs, c.Hidden, out TensorView x);
                using NativeBuffer all = NativeBuffer.ForF32(offsets[^1], c.Hidden, out TensorView together);
                using NativeBuffer one = NativeBuffer.ForF32(offsets[^1], c.Hidden, out TensorView alone);
                mlp.Run(c.Weights, new ExpertRows(offsets, sources), x, together, teams[random.Next(4)]);
                for (int e = 0; e < c.Weights.Length; e++)
                {
                    for (int r = offsets[e]; r < offsets[e + 1]; r++)
                    {
                        int source = sources.Length == 0 ? r : sources[r];
                        mlp.Run(
                            new ReadOnlySpan<MlpWeights>(in c.Weights[e]),
                            new ExpertRows([0, 1], default),
                            x.SliceRows(source, 1),
                            alone.SliceRows(r, 1),
                            teams[random.Next(4)]);
                    }
                }

                MatMulTests.AssertSameBits(together, alone, $"[{c.Inner}, {c.Hidden}], offsets {string.Join(' ', offsets)}");
            },
            iter: 15,
            threads: 1);
        Array.ForEach(teams, team => team.Dispose());
    }

    [Theory, MemberData(nameof(All))]
    public void OddShapesAndEmptyExpertsWork(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(3);
        Random random = new(3);
        foreach ((int inner, int hidden) in new[] { (48, 96), (40, 13), (1, 1), (13, 40), (256, 64) })
        {
            using ExpertMlpCase c = new(random, ElementFormat.F8_E4M3, 4, inner, hidden);
            int[] offsets = [0, 0, 2, 2, 2];
            using NativeBuffer xs = MatMulTests.Input(random, 2, hidden, out TensorView x);
            using NativeBuffer ys = NativeBuffer.ForF32(2, hidden, out TensorView y);
            mlp.Run(c.Weights, new ExpertRows(offsets, default), x, y, team);
            c.Check(1, x.RowF32(0), y.RowF32(0));
            c.Check(1, x.RowF32(1), y.RowF32(1));
            mlp.Run(c.Weights, new ExpertRows([0, 0, 0, 0, 0], default), x.SliceRows(0, 0), y.SliceRows(0, 0), team);
        }
    }

    [Theory, MemberData(nameof(All))]
    public void MoreRowsThanShareADecodingAndManyInnerRowsWork(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(2);
        Random random = new(4);
        foreach (ElementFormat format in Formats)
        {
            foreach ((int inner, int[] offsets) in new[] { (40, new[] { 0, 257, 857 }), (1100, new[] { 0, 3, 260 }) })
            {
                using ExpertMlpCase c = new(random, format, 2, inner, 24);
                int[] sources = Sources(random, offsets[^1], out int inputs);
                using NativeBuffer xs = MatMulTests.Input(random, inputs, c.Hidden, out TensorView x);
                using NativeBuffer ys = NativeBuffer.ForF32(offsets[^1], c.Hidden, out TensorView y);
                mlp.Run(c.Weights, new ExpertRows(offsets, sources), x, y, team);
                for (int row = 0; row < offsets[^1]; row++)
                {
                    c.Check(row < offsets[1] ? 0 : 1, x.RowF32(sources.Length == 0 ? row : sources[row]), y.RowF32(row));
                }
            }
        }
    }

    [Theory, MemberData(nameof(All))]
    public void LargeGatesNeitherOverflowNorVanish(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(1);

        // Seventeen inner rows take the vector and the scalar form of silu; W_down sums them.
        const int Inner = 17;
        using NativeBuffer gate = NativeBuffer.ForF32(Inner, 1, out TensorView g);
        using NativeBuffer down = NativeBuffer.ForF32(1, Inner, out TensorView d);
        for (int i = 0; i < Inner; i++)
        {
            g.RowF32(i)[0] = 1;
        }

        using NativeBuffer xs = NativeBuffer.ForF32(1, 1, out TensorView x);
        using NativeBuffer ys = NativeBuffer.ForF32(1, 1, out TensorView y);
        foreach (float z in new[] { -1000f, -104f, -88f, -20f, 0f, 20f, 1000f, 1e18f })
        {
            x.RowF32(0)[0] = z;
            foreach (int at in new[] { 0, Inner - 1 })
            {
                d.RowF32(0).Clear();
                d.RowF32(0)[at] = 1;
                mlp.Run([new MlpWeights(g, g, d)], new ExpertRows([0, 1], default), x, y, team);
                double expected = z / (1 + Math.Pow(Math.E, -(double)z)) * z;
                Assert.InRange(y.RowF32(0)[0], (float)(expected - (1e-6 * Math.Abs(expected)) - 1e-35), (float)(expected + (1e-6 * Math.Abs(expected)) + 1e-35));
            }
        }
    }

    [Theory, MemberData(nameof(All))]
    public void ExpertsOfDifferentShapesAndBadRowsAreRefused(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(1);
        Random random = new(3);
        using ExpertMlpCase a = new(random, ElementFormat.F32, 1, 8, 16);
        using ExpertMlpCase b = new(random, ElementFormat.F32, 1, 9, 16);
        using NativeBuffer xs = NativeBuffer.ForF32(2, 16, out TensorView x);
        using NativeBuffer ys = NativeBuffer.ForF32(2, 16, out TensorView y);
        Assert.Throws<ArgumentException>(() => mlp.Run(a.Weights, new ExpertRows([0, 2], [0, 2]), x, y, team));
        Assert.Throws<ArgumentException>(() => mlp.Run(a.Weights, new ExpertRows([0, 1], default), x, y, team));
        Assert.Throws<ArgumentException>(() => mlp.Run(a.Weights, new ExpertRows([0, 1, 2], default), x, y, team));
        if (set != "reference")
        {
            Assert.Throws<ArgumentException>(() => mlp.Run([a.Weights[0], b.Weights[0]], new ExpertRows([0, 1, 2], default), x, y, team));
        }
    }

    [Theory, MemberData(nameof(All))]
    public void ACallAllocatesNothing(string set)
    {
        ExpertMlp mlp = ProjectionSets.ExpertMlp(set);
        using WorkerTeam team = new(1);
        Random random = new(3);
        using ExpertMlpCase c = new(random, ElementFormat.F8_E4M3, 3, 40, 56);
        int[] offsets = [0, 1, 1, 6];
        using NativeBuffer xs = MatMulTests.Input(random, 6, 56, out TensorView x);
        using NativeBuffer ys = NativeBuffer.ForF32(6, 56, out TensorView y);
        for (int round = 0; round < 3; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            mlp.Run(c.Weights, new ExpertRows(offsets, default), x, y, team);
            Assert.True(round == 0 || GC.GetAllocatedBytesForCurrentThread() == before);
        }
    }

    private static int[] Offsets(Random random, int experts, int most)
    {
        int[] offsets = new int[experts + 1];
        for (int e = 0; e < experts; e++)
        {
            offsets[e + 1] = offsets[e] + (random.Next(3) == 0 ? 0 : random.Next(1, most));
        }

        return offsets;
    }

    private static int[] Sources(Random random, int rows, out int inputs)
    {
        inputs = rows;
        if (random.Next(3) == 0)
        {
            return [];
        }

        inputs = random.Next(1, 20);
        int bound = inputs;
        return [.. Enumerable.Range(0, rows).Select(_ => random.Next(bound))];
    }
}
