using Conclave.Primitives;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Kernels.Tests;

/// <summary>Both forms of latent attention on every instruction set: against the definition, and the bit contract.</summary>
public sealed class AttentionTests
{
    // Relative to Σ |w · c| of the values that are averaged. A score of up to 20 carries the error of two chained sums of up to 600 products in
    // binary32, about 20 · 6e-8 · √8 = 3e-6 with chains of random sign, and enters the output by its exponential.
    private const double Tolerance = 5e-6;

    // The reference sums in binary64 and rounds keys, values and averages once.
    private const double ReferenceTolerance = 1e-6;

    private static readonly LatentAttentionShape Small = new(3, NopeDim: 24, RopeDim: 8, ValueDim: 16, LatentDim: 40, Scale: 0.2f);

    public static TheoryData<string, bool> All => new(InstructionSets.Names.SelectMany(name => new[] { false, true }.Select(
        absorbed => new TheoryDataRow<string, bool>(name, absorbed) { Skip = InstructionSets.WhyNot(name) })));

    [Theory]
    [MemberData(nameof(All))]
    public void Equals_the_definition(string set, bool absorbed) =>
        Gen.Select(
                Gen.Select(Gen.Int[1, 9], Gen.Int[1, 45], Gen.Int[0, 20], Gen.Int[1, 45], Gen.Int[1, 80]),
                Gen.Int[0, 3],
                Gen.Bool,
                Gen.Int[1, 140].Array[1, 3],
                Gen.Int)
            .Sample(
                (dimensions, weightFormat, wideCache, lengths, seed) =>
                {
                    (int heads, int nope, int rope, int value, int latent) = dimensions;
                    LatentAttentionShape shape = new(heads, nope, rope, value, latent, 1 / MathF.Sqrt(nope + rope));
                    ElementFormat cache = wideCache ? ElementFormat.F32 : ElementFormat.BF16;
                    using AttentionCase attention = new(seed, shape, Sets.WeightFormats[weightFormat], cache, lengths);
                    Check(attention, set, absorbed, seed);
                },
                // The reference is simple, not fast.
                iter: set == "reference" ? 10 : 40,
                threads: 1);

    [Theory]
    [MemberData(nameof(All))]
    public void Equals_the_definition_at_the_size_of_DeepSeek_V3(string set, bool absorbed)
    {
        LatentAttentionShape shape = new(2, 128, 64, 128, 512, 0.1f);
        using AttentionCase attention = new(11, shape, ElementFormat.F8_E4M3, ElementFormat.BF16, 70, 3);
        Check(attention, set, absorbed, seed: 12);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_one_of_many_heads_equals_the_definition(string set, bool absorbed)
    {
        // Small ones in numbers that divide among workers or not, then as many at the size of a real model as V2-Lite has.
        LatentAttentionShape small = new(16, NopeDim: 5, RopeDim: 3, ValueDim: 7, LatentDim: 11, Scale: 0.3f);
        foreach (LatentAttentionShape shape in (LatentAttentionShape[])[small, small with { Heads = 17 }, small with { Heads = 128 }, new(16, 128, 64, 128, 512, 0.1f)])
        {
            using AttentionCase attention = new(41, shape, ElementFormat.F8_E4M3, ElementFormat.BF16, 66, 3);
            foreach (int threads in (int[])[1, 3])
            {
                using Matrix output = attention.Run(Form(set, absorbed), threads, attention.Span(0, 65, 66), attention.Span(1, 0, 2));
                for (int head = 0; head < shape.Heads; head++)
                {
                    AssertEqualsDefinition(attention, output, set, sequence: 0, position: 65, head);
                    AssertEqualsDefinition(attention, output, set, sequence: 1, position: 1, head);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Great_scores_neither_overflow_nor_lose_the_greatest(string set, bool absorbed)
    {
        // Scores of some hundreds: e^score leaves binary32, differences do not. Errors of scores grow with them.
        using AttentionCase attention = new(3, Small with { Scale = 40 }, ElementFormat.F32, ElementFormat.F32, 130);
        using Matrix output = attention.Run(Form(set, absorbed), 2, attention.AllSpans());
        for (int position = 0; position < 130; position++)
        {
            (double[] expected, double size) = attention.Expected(0, position, 1);
            for (int d = 0; d < expected.Length; d++)
            {
                Assert.InRange(Math.Abs(output[position, Small.ValueDim + d] - expected[d]) / size, 0, 50 * Tolerance);
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Bits_do_not_depend_on_chunks_batch_threads_or_what_lies_behind(string set, bool absorbed)
    {
        LatentAttention form = Form(set, absorbed);
        foreach (ElementFormat cache in (ElementFormat[])[ElementFormat.F32, ElementFormat.BF16])
        {
            Random random = new(17);
            // Beyond 256 positions more than one group of segments is expanded.
            int[] lengths = [330, 1, 64, 65, 20];
            using AttentionCase whole = new(19, Small with { Heads = 5 }, ElementFormat.F8_E4M3, cache, lengths);
            using Matrix expected = whole.Run(form, 1, whole.AllSpans());
            int[] bits = expected.Bits();
            for (int threads = 1; threads <= 8; threads++)
            {
                // All in random chunks, in one call, in random order: some chunks see positions that others of the call stand at.
                AttentionSpan[] spans = [.. lengths.SelectMany((length, s) => Cut(random, length).Select(cut => whole.Span(s, cut.From, cut.To)))];
                random.Shuffle(spans);
                using Matrix batch = whole.Run(form, threads, spans);
                Assert.Equal(bits, batch.Bits());
            }

            // Each chunk by itself, before the positions behind it were written, the last first.
            for (int s = 0; s < lengths.Length; s++)
            {
                foreach ((int from, int to) in Cut(random, lengths[s]).Reverse())
                {
                    whole.Forget(s, to, random.Next(3) switch { 0 => float.NaN, 1 => float.PositiveInfinity, _ => -3e38f });
                    using Matrix alone = whole.Run(form, random.Next(1, 4), whole.Span(s, from, to));
                    for (int row = whole.FirstRow(s) + from; row < whole.FirstRow(s) + to; row++)
                    {
                        Assert.Equal(Row(expected, row), Row(alone, row));
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Bits_do_not_depend_on_the_chunk_at_the_size_of_DeepSeek_V3(string set, bool absorbed)
    {
        LatentAttentionShape shape = new(2, 128, 64, 128, 512, 0.1f);
        using AttentionCase attention = new(23, shape, ElementFormat.F8_E4M3, ElementFormat.BF16, 70);
        using Matrix expected = attention.Run(Form(set, absorbed), 2, attention.Span(0, 50, 70));
        using Matrix chunked = attention.Run(
            Form(set, absorbed), 3, attention.Span(0, 50, 51), attention.Span(0, 51, 64), attention.Span(0, 64, 66), attention.Span(0, 66, 70));
        Assert.Equal(expected.Bits(), chunked.Bits());
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Bits_of_long_contexts_do_not_depend_on_batch_or_threads(string set, bool absorbed)
    {
        // Work is cut by rows where contexts are long on the average, by heads where they are short.
        LatentAttention form = Form(set, absorbed);
        using AttentionCase attention = new(37, Small with { Heads = 5 }, ElementFormat.F8_E4M3, ElementFormat.F32, 1100, 700, 30);
        (int Sequence, int Position)[] rows = [(0, 1096), (0, 1097), (0, 1098), (0, 1099), (1, 698), (1, 699), (2, 28), (2, 29)];
        int[][] alone = [.. rows.Select(row =>
        {
            using Matrix one = attention.Run(form, 1, attention.Span(row.Sequence, row.Position, row.Position + 1));
            return Row(one, attention.FirstRow(row.Sequence) + row.Position);
        })];
        (double[] expected, double size) = attention.Expected(0, 1099, 4);
        for (int threads = 1; threads <= 8; threads++)
        {
            foreach (int last in (int[])[1, 4, 6, 8])
            {
                using Matrix output = attention.Run(form, threads, [.. rows[..last].Select(row => attention.Span(row.Sequence, row.Position, row.Position + 1))]);
                for (int i = 0; i < last; i++)
                {
                    Assert.Equal(alone[i], Row(output, attention.FirstRow(rows[i].Sequence) + rows[i].Position));
                }

                for (int d = 0; last >= 4 && d < expected.Length; d++)
                {
                    Assert.InRange(Math.Abs(output[1099, (4 * Small.ValueDim) + d] - expected[d]) / size, 0, set == "reference" ? ReferenceTolerance : Tolerance);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Rows_in_no_span_are_left_alone(string set, bool absorbed)
    {
        using AttentionCase attention = new(29, Small, ElementFormat.BF16, ElementFormat.F32, 9, 9);
        using Matrix output = attention.Run(Form(set, absorbed), 2, attention.Span(0, 3, 5), attention.Span(1, 4, 4));
        Assert.All(Enumerable.Range(0, 18).Where(row => row is not (3 or 4)), row => Assert.All(Row(output, row), bits => Assert.Equal(0, bits)));
        Assert.Contains(Row(output, 4), bits => bits != 0);
        using Matrix nothing = attention.Run(Form(set, absorbed), 2);
        Assert.All(nothing.Bits(), bits => Assert.Equal(0, bits));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Spans_and_shapes_that_do_not_fit_are_refused(string set, bool absorbed)
    {
        using AttentionCase attention = new(31, Small, ElementFormat.BF16, ElementFormat.F32, 9);
        AttentionSpan span = attention.Span(0, 0, 9);
        Assert.Throws<ArgumentException>(() => attention.Run(Form(set, absorbed), 1, span with { FirstRow = 1 }));
        Assert.Throws<ArgumentException>(() => attention.Run(Form(set, absorbed), 1, span with { FirstPosition = -1 }));
        Assert.Throws<ArgumentException>(() => attention.Run(Form(set, absorbed), 1, span with { FirstPosition = int.MaxValue - 3 }));
        using WorkerTeam team = new(1);
        using Matrix output = Matrix.Zero(9, 3 * Small.ValueDim);
        Assert.Throws<ArgumentException>(() => Form(set, absorbed).Run(
            Small with { LatentDim = 41 }, attention.Queries.View, attention.Expansion.View, attention.Pages, [span], output.View, team));
        Assert.Throws<ArgumentException>(() => Form(set, absorbed).Run(
            Small with { Heads = 2 }, attention.Queries.View, attention.Expansion.View, attention.Pages, [span], output.View, team));
    }

    private static LatentAttention Form(string set, bool absorbed) =>
        absorbed ? KernelSet.Find(set).AbsorbedAttention : KernelSet.Find(set).ExpandedAttention;

    private static void Check(AttentionCase attention, string set, bool absorbed, int seed)
    {
        Random random = new(seed);
        using Matrix output = attention.Run(Form(set, absorbed), random.Next(1, 4), attention.AllSpans());
        for (int s = 0; s < attention.Lengths.Length; s++)
        {
            // The first, the last and a few others.
            foreach (int position in (int[])[0, attention.Lengths[s] - 1, random.Next(attention.Lengths[s]), random.Next(attention.Lengths[s])])
            {
                AssertEqualsDefinition(attention, output, set, s, position, random.Next(attention.Shape.Heads));
            }
        }
    }

    private static void AssertEqualsDefinition(AttentionCase attention, Matrix output, string set, int sequence, int position, int head)
    {
        (double[] expected, double size) = attention.Expected(sequence, position, head);
        for (int d = 0; d < expected.Length; d++)
        {
            double actual = output[attention.FirstRow(sequence) + position, (head * attention.Shape.ValueDim) + d];
            Assert.InRange(Math.Abs(actual - expected[d]) / size, 0, set == "reference" ? ReferenceTolerance : Tolerance);
        }
    }

    private static IEnumerable<(int From, int To)> Cut(Random random, int length)
    {
        for (int from = 0; from < length;)
        {
            int to = Math.Min(length, from + random.Next(1, random.Next(3) == 0 ? 3 : 50));
            yield return (from, to);
            from = to;
        }
    }

    private static int[] Row(Matrix matrix, int row) => [.. matrix.View.RowF32(row).ToArray().Select(BitConverter.SingleToInt32Bits)];
}
