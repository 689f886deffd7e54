using System.Runtime.InteropServices;
using Conclave.Primitives;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed unsafe class MatMulTests
{
    private static readonly ElementFormat[] Formats = [ElementFormat.F32, ElementFormat.F16, ElementFormat.BF16, ElementFormat.F8_E4M3];
    private static readonly int[] InputCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 23, 24, 25, 33, 64, 79, 80, 130, 270];

    public static TheoryData<string> All => Sets.All;

    public static TheoryData<string, int> Lengths => new(InstructionSets.Names.SelectMany(name => new[] { 35, 64, 67, 270, 2047, 2113, 4100 }.Select(
        k => new TheoryDataRow<string, int>(name, k) { Skip = InstructionSets.WhyNot(name) })));

    /// <summary>
    /// |y − Σ x·w| ≤ (2 + 4·√K)·2^-24·Σ|x·w|: each of K fused steps and the scaling of x round once (relative 2^-24), errors of either sign add up like a
    /// random walk, and 4 standard deviations are allowed. (The worst case would be K·2^-24.)
    /// </summary>
    [Theory, MemberData(nameof(All))]
    public void OutputsAreNearTheExactSums(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(2);
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                using MatMulCase weights = RandomWeights(random, out int n, out int k);
                int m = InputCounts[random.Next(InputCounts.Length)];
                using NativeBuffer xs = Input(random, m, k, out TensorView x);
                using NativeBuffer ys = NativeBuffer.ForF32(m, n, out TensorView y);
                matMul.Run(weights.View, x, y, team);
                Check(weights, x, y);
            },
            iter: 40,
            threads: 1);
    }

    /// <summary>
    /// Every way of computing a projection in every run, which random shapes do not promise: with each number of inputs and of rows at each length, the bits
    /// of the largest case, whose sums are compared with the exact ones.
    /// </summary>
    [Theory, MemberData(nameof(Lengths))]
    public void EveryWayGivesTheSameSumsNearTheExactOnes(string set, int k)
    {
        int[] inputCounts = [1, 2, 3, 5, 7, 12, 17, 79, 80, 257];
        int[] rowCounts = [5, 37, 131];
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(2);
        foreach (ElementFormat format in Formats)
        {
            Random random = new(k);

            // Whole groups are read where they lie if nothing lies between two rows.
            int padding = k % 64 == 0 ? 0 : 1;
            using MatMulCase weights = format == ElementFormat.F8_E4M3
                ? new MatMulCase(random, format, rowCounts[^1], k, 128, 128, firstRow: 37, padding: padding)
                : new MatMulCase(random, format, rowCounts[^1], k, padding: padding);
            using NativeBuffer xs = Input(random, inputCounts[^1], k, out TensorView x, padding);
            using NativeBuffer all = NativeBuffer.ForF32(inputCounts[^1], rowCounts[^1], out TensorView expected);
            matMul.Run(weights.View, x, expected, team);
            Check(weights, x, expected);
            foreach (int m in inputCounts)
            {
                foreach (int n in rowCounts)
                {
                    using NativeBuffer ys = NativeBuffer.ForF32(m, n, out TensorView y);
                    matMul.Run(weights.View.SliceRows(0, n), x.SliceRows(0, m), y, team);
                    AssertSameBits(expected.SliceRows(0, m).SliceColumns(0, n), y, $"{format} [{n}, {k}] m={m}");
                }
            }
        }
    }

    [Theory, MemberData(nameof(All))]
    public void RowsAloneEqualRowsInAnyBatchOnAnyThreads(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        WorkerTeam[] teams = [new(1), new(2), new(3), new(4)];
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                using MatMulCase weights = RandomWeights(random, out int n, out int k);
                int m = InputCounts[random.Next(InputCounts.Length)];
                using NativeBuffer xs = Input(random, m, k, out TensorView x);
                using NativeBuffer all = NativeBuffer.ForF32(m, n, out TensorView together);
                using NativeBuffer one = NativeBuffer.ForF32(m, n, out TensorView alone);
                matMul.Run(weights.View, x, together, teams[random.Next(4)]);
                for (int i = 0; i < m;)
                {
                    int count = random.Next(3) > 0 ? 1 : random.Next(1, m - i + 1);
                    matMul.Run(weights.View, x.SliceRows(i, count), alone.SliceRows(i, count), teams[random.Next(4)]);
                    i += count;
                }

                AssertSameBits(together, alone, $"{weights.View.Format} [{n}, {k}] m={m}");
            },
            iter: 40,
            threads: 1);
        foreach (WorkerTeam team in teams)
        {
            team.Dispose();
        }
    }

    [Theory, MemberData(nameof(All))]
    public void AnyPartitionOfTheWeightRowsGivesTheSameBits(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(2);
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                using MatMulCase weights = RandomWeights(random, out int n, out int k);
                int m = InputCounts[random.Next(InputCounts.Length)];
                using NativeBuffer xs = Input(random, m, k, out TensorView x);
                using NativeBuffer all = NativeBuffer.ForF32(m, n, out TensorView whole);
                using NativeBuffer parts = NativeBuffer.ForF32(m, n, out TensorView pieces);
                matMul.Run(weights.View, x, whole, team);
                for (int row = 0; row < n;)
                {
                    int count = random.Next(1, n - row + 1);
                    matMul.Run(weights.View.SliceRows(row, count), x, pieces.SliceColumns(row, count), team);
                    row += count;
                }

                AssertSameBits(whole, pieces, $"{weights.View.Format} [{n}, {k}] m={m}");
            },
            iter: 40,
            threads: 1);
    }

    [Theory, MemberData(nameof(All))]
    public void EveryCodeOfEightAndSixteenBitsIsDecodedExactly(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(1);

        // E4M3 once more among codes that are not below 8: vectors without any of those are decoded on a way of their own.
        const byte SmallestNormal = 8;
        // Short rows have a way of their own too.
        foreach ((ElementFormat format, byte others, int k) in
            new[]
            {
                (ElementFormat.F8_E4M3, (byte)0, 67), (ElementFormat.F8_E4M3, SmallestNormal, 67), (ElementFormat.F8_E4M3, (byte)0, 270), (ElementFormat.F8_E4M3, SmallestNormal, 270),
                (ElementFormat.F16, (byte)0, 67), (ElementFormat.BF16, (byte)0, 67), (ElementFormat.F16, (byte)0, 35), (ElementFormat.BF16, (byte)0, 35),
            })
        {
            // One row for each code, which lies at another column each time; the other weights are zero, or so that all sums are exact.
            int codes = format == ElementFormat.F8_E4M3 ? 256 : 65536;
            using NativeBuffer memory = new((nint)codes * k * format.Size());
            TensorView weights = new(memory.Data, format, codes, k);
            new Span<byte>(memory.Data, (int)memory.Length).Fill(others);
            for (int code = 0; code < codes; code++)
            {
                if (format == ElementFormat.F8_E4M3)
                {
                    weights.RowPointer(code)[code % k] = (byte)code;
                }
                else
                {
                    ((ushort*)weights.RowPointer(code))[code % k] = (ushort)code;
                }
            }

            // One input, several that share a decoding, pairs of classes, and panels in both forms.
            foreach (int m in new[] { 1, 2, 5, 17, 80 })
            {
                using NativeBuffer xs = NativeBuffer.ForF32(m, k, out TensorView x);
                using NativeBuffer ys = NativeBuffer.ForF32(m, codes, out TensorView y);
                x.RowF32(m - 1).Fill(1);
                matMul.Run(weights, x, y, team);
                for (int code = 0; code < codes; code++)
                {
                    float expected = format switch
                    {
                        ElementFormat.F8_E4M3 => E4M3.Decode((byte)code) + ((k - 1) * E4M3.Decode(others)),
                        ElementFormat.F16 => (float)BitConverter.UInt16BitsToHalf((ushort)code),
                        _ => BFloat16.Decode((ushort)code),
                    };
                    if (float.IsFinite(expected))
                    {
                        Assert.Equal(expected, y.RowF32(m - 1)[code]);
                    }
                }
            }
        }
    }

    [Theory, MemberData(nameof(All))]
    public void ScalesMayBeVerySmallOrLarge(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(1);
        Random random = new(5);
        foreach (float scale in new[] { 1e-18f, 1e-9f, 1f, 1e9f })
        {
            foreach (int k in new[] { 40, 300 })
            {
                using MatMulCase weights = new(random, ElementFormat.F8_E4M3, 37, k, 16, 32, 5, scale);
                foreach (int m in new[] { 1, 3, 5, 9, 17, 80 })
                {
                    using NativeBuffer xs = Input(random, m, k, out TensorView x);
                    using NativeBuffer ys = NativeBuffer.ForF32(m, 37, out TensorView y);
                    matMul.Run(weights.View, x, y, team);
                    Check(weights, x, y);
                }
            }
        }
    }

    [Fact]
    public void ScratchMemoryOfAvx2IsEnoughForAllFormatsAndForFewerAndShorterInputs()
    {
        Assert.SkipUnless(Avx2Simd.IsSupported, "no AVX2");
        StayInside<Avx2Projection>();
    }

    [Fact]
    public void ScratchMemoryOfAvx512IsEnoughForAllFormatsAndForFewerAndShorterInputs()
    {
        Assert.SkipUnless(Avx512Simd.IsSupported, "no AVX-512");
        StayInside<Avx512Projection>();
    }

    [Theory, MemberData(nameof(All))]
    public void ArgumentsThatDoNotFitAreRefused(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(1);
        using NativeBuffer memory = new(4096);
        TensorView F32(int rows, int columns) => new(memory.Data, ElementFormat.F32, rows, columns);
        Assert.Throws<ArgumentException>(() => matMul.Run(F32(4, 5), F32(2, 6), F32(2, 4), team));
        Assert.Throws<ArgumentException>(() => matMul.Run(F32(4, 5), F32(2, 5), F32(2, 5), team));
        Assert.Throws<ArgumentException>(() => matMul.Run(F32(4, 5), F32(2, 5), F32(3, 4), team));
        Assert.Throws<ArgumentException>(() => matMul.Run(new TensorView(memory.Data, ElementFormat.I8, 4, 5), F32(2, 5), F32(2, 4), team));
    }

    [Theory, MemberData(nameof(All))]
    public void ACallAllocatesNothing(string set)
    {
        MatMul matMul = ProjectionSets.MatMul(set);
        using WorkerTeam team = new(1);
        Random random = new(2);
        foreach (ElementFormat format in Formats)
        {
            using MatMulCase weights = new(random, format, 33, 130);
            using NativeBuffer xs = Input(random, 90, 130, out TensorView x);
            using NativeBuffer ys = NativeBuffer.ForF32(90, 33, out TensorView y);
            for (int round = 0; round < 3; round++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                matMul.Run(weights.View, x, y, team);
                matMul.Run(weights.View, x.SliceRows(0, 9), y.SliceRows(0, 9), team);
                matMul.Run(weights.View, x.SliceRows(0, 1), y.SliceRows(0, 1), team);
                Assert.True(round == 0 || GC.GetAllocatedBytesForCurrentThread() == before);
            }
        }
    }

    private static void StayInside<TProjection>()
        where TProjection : struct, IProjection => Gen.Int.Sample(
            seed =>
            {
                const int Guard = 1 << 20;
                const byte Untouched = 0xA5;
                Random random = new(seed);
                (int mostK, int mostInputs) = (random.Next(1, 9000), InputCounts[random.Next(InputCounts.Length)]);
                int k = random.Next(2) == 0 ? mostK : random.Next(1, mostK + 1);
                int m = random.Next(2) == 0 ? mostInputs : random.Next(1, mostInputs + 1);
                using MatMulCase weights = new(random, Formats[random.Next(Formats.Length)], random.Next(1, 300), k);
                using NativeBuffer xs = Input(random, m, k, out TensorView x);
                using NativeBuffer ys = NativeBuffer.ForF32(m, weights.View.Rows, out TensorView y);
                nint bytes = TProjection.ScratchBytes(mostK, mostInputs);
                using NativeBuffer scratch = new(bytes + Guard);
                Span<byte> guard = new(scratch.Data + bytes, Guard);
                guard.Fill(Untouched);
                TProjection.Run(weights.View, 0, weights.View.Rows, new InputRows((nint)x.PointerF32(0), x.RowStride), m, y.PointerF32(0), y.RowStride, scratch.Data);
                Assert.False(guard.ContainsAnyExcept(Untouched), $"{weights.View.Format} k={k} of {mostK}, m={m} of {mostInputs}");
            },
            iter: 100,
            threads: 1);

    internal static MatMulCase RandomWeights(Random random, out int n, out int k)
    {
        n = random.Next(3) == 0 ? random.Next(1, 300) : random.Next(1, 40);
        k = random.Next(8) switch
        {
            0 => random.Next(500, 1700),

            // About where one segment of a sum ends and the next one begins.
            1 => (2048 * random.Next(1, 4)) + random.Next(-70, 70),

            // Whole groups: nothing is filled up.
            2 or 3 => 64 * random.Next(1, 40),

            // Rows that are short for few inputs, or for many.
            4 => random.Next(1, 66),
            _ => random.Next(1, 300),
        };
        ElementFormat format = Formats[random.Next(Formats.Length)];
        bool scaled = format == ElementFormat.F8_E4M3 && random.Next(4) > 0;
        int[] blocks = [128, 128, 64, 32, 7, 1, 100, 512];
        return scaled
            ? new MatMulCase(random, format, n, k, blocks[random.Next(8)], blocks[random.Next(8)], random.Next(200))
            : new MatMulCase(random, format, n, k);
    }

    internal static NativeBuffer Input(Random random, int m, int k, out TensorView view, int? padding = null)
    {
        int stride = k + (padding ?? random.Next(5));
        NativeBuffer buffer = new((nint)m * stride * sizeof(float));
        view = new TensorView(buffer.Data, ElementFormat.F32, m, k, stride);
        foreach (ref float value in new Span<float>(buffer.Data, m * stride))
        {
            value = ((random.NextSingle() * 2) - 1) * MathF.ScaleB(1, random.Next(-6, 4));
        }

        return buffer;
    }

    internal static void AssertSameBits(TensorView expected, TensorView actual, string what)
    {
        for (nint row = 0; row < expected.Rows; row++)
        {
            ReadOnlySpan<uint> a = MemoryMarshal.Cast<float, uint>(expected.RowF32(row));
            ReadOnlySpan<uint> b = MemoryMarshal.Cast<float, uint>(actual.RowF32(row));
            int prefix = a.CommonPrefixLength(b);
            Assert.True(prefix == a.Length, $"{what}: row {row}, column {prefix} differs");
        }
    }

    private static void Check(MatMulCase weights, TensorView x, TensorView y)
    {
        nint k = x.Columns;
        double[] row = new double[k];
        for (nint n = 0; n < weights.View.Rows; n++)
        {
            for (nint c = 0; c < k; c++)
            {
                row[c] = weights.Value(n, c);
            }

            for (nint m = 0; m < x.Rows; m++)
            {
                double sum = 0;
                double magnitude = 0;
                ReadOnlySpan<float> input = x.RowF32(m);
                for (int c = 0; c < input.Length; c++)
                {
                    sum += row[c] * input[c];
                    magnitude += Math.Abs(row[c] * input[c]);
                }

                double error = Math.Abs(y.RowF32(m)[(int)n] - sum);
                double bound = (2 + (4 * Math.Sqrt(k))) * Math.ScaleB(1, -24) * magnitude;
                Assert.True(
                    error <= bound,
                    $"{weights.View.Format} [{weights.View.Rows}, {k}] m={x.Rows}: y[{m}, {n}] = {y.RowF32(m)[(int)n]}, exact {sum}, error {error} > {bound}");
            }
        }
    }
}
