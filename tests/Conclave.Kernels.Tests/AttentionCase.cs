using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>
/// Sequences of random latents in a paged cache with shuffled blocks, random queries for every position, and attention over them by its
/// definition: one softmax over the whole context, in binary64.
/// </summary>
internal sealed unsafe class AttentionCase : IDisposable
{
    private const int Segment = LatentPages.TokensPerBlock;

    private readonly NativeBuffer _cache;
    private readonly NativeBuffer _tables;
    private readonly double[][][] _tokens;
    private readonly double[][] _expansion;
    private readonly int[][] _blocks;
    private readonly int _blockCount;

    public AttentionCase(int seed, LatentAttentionShape shape, ElementFormat weightFormat, ElementFormat cacheFormat, params int[] lengths)
    {
        Random random = new(seed);
        Shape = shape;
        CacheFormat = cacheFormat;
        Lengths = lengths;
        Queries = Matrix.Random(random, lengths.Sum(), shape.Heads * shape.QueryDim, padding: random.Next(3));

        // Keys and values then have the size of the latents, and scores one of a few units.
        Expansion = Matrix.Weight(random, weightFormat, shape.Heads * shape.HeadRows, shape.LatentDim, 1 / MathF.Sqrt(shape.LatentDim));
        _expansion = Expansion.Exact();
        int[] counts = [.. lengths.Select(length => (length + Segment - 1) / Segment)];
        _blockCount = counts.Sum() + 2;
        int[] order = [.. Enumerable.Range(0, _blockCount)];
        random.Shuffle(order);
        _cache = new NativeBuffer((nint)_blockCount * Segment * shape.CacheDim * cacheFormat.Size());
        _tables = new NativeBuffer(_blockCount * sizeof(int));
        _blocks = new int[lengths.Length][];
        _tokens = new double[lengths.Length][][];
        int used = 0;
        Fill(0, _blockCount * Segment, float.NaN);
        for (int s = 0; s < lengths.Length; s++)
        {
            _blocks[s] = order[used..(used + counts[s])];
            _blocks[s].CopyTo(new Span<int>(_tables.Data, _blockCount)[used..]);
            used += counts[s];
            using Matrix tokens = Matrix.Random(random, lengths[s], shape.CacheDim);
            _tokens[s] = new double[lengths[s]][];
            for (int t = 0; t < lengths[s]; t++)
            {
                Write(s, t, tokens.View.RowF32(t));
                _tokens[s][t] = Read(s, t);
            }
        }
    }

    public LatentAttentionShape Shape { get; }

    public ElementFormat CacheFormat { get; }

    public int[] Lengths { get; }

    public Matrix Queries { get; }

    public Matrix Expansion { get; }

    public LatentPages Pages => new(_cache.Data, CacheFormat, Shape.CacheDim, _blockCount);

    public int FirstRow(int sequence) => Lengths[..sequence].Sum();

    /// <summary>The rows of a sequence from one position up to another.</summary>
    public AttentionSpan Span(int sequence, int from, int to) => new(
        FirstRow(sequence) + from, to - from, from, (nint)((int*)_tables.Data + _blocks[..sequence].Sum(blocks => blocks.Length)));

    public AttentionSpan[] AllSpans() => [.. Lengths.Select((length, s) => Span(s, 0, length))];

    /// <summary>The outputs, each row of a sequence at its place.</summary>
    public Matrix Run(LatentAttention attention, int threads, params AttentionSpan[] spans)
    {
        using WorkerTeam team = new(threads);
        Matrix output = Matrix.Zero(Lengths.Sum(), Shape.Heads * Shape.ValueDim);
        attention.Run(Shape, Queries.View, Expansion.View, Pages, spans, output.View, team);
        return output;
    }

    /// <summary>Overwrites a sequence's positions from one on, as if they had not been written yet.</summary>
    public void Forget(int sequence, int from, float garbage)
    {
        float[] row = new float[Shape.CacheDim];
        Array.Fill(row, garbage);
        for (int t = from; t < Lengths[sequence]; t++)
        {
            Write(sequence, t, row);
        }
    }

    /// <summary>
    /// Output of a head at a position, and what its error is measured by: the greatest Σ |w · c| among the values that it is an average of. (The values
    /// themselves may cancel to nearly nothing, which no sum in binary32 can follow.)
    /// </summary>
    public (double[] Output, double Size) Expected(int sequence, int position, int head)
    {
        float* q = Queries.View.PointerF32(FirstRow(sequence) + position) + (head * Shape.QueryDim);
        double[][] weights = _expansion[(head * Shape.HeadRows)..((head + 1) * Shape.HeadRows)];
        double[] scores = new double[position + 1];
        double[][] values = new double[position + 1][];
        double size = 0;
        for (int t = 0; t <= position; t++)
        {
            double[] token = _tokens[sequence][t];
            double[] expanded = new double[Shape.HeadRows];
            for (int row = 0; row < expanded.Length; row++)
            {
                double magnitude = 0;
                for (int k = 0; k < Shape.LatentDim; k++)
                {
                    double product = weights[row][k] * token[k];
                    expanded[row] += product;
                    magnitude += Math.Abs(product);
                }

                size = Math.Max(size, row < Shape.NopeDim ? 0 : magnitude);
            }

            for (int d = 0; d < Shape.QueryDim; d++)
            {
                scores[t] += q[d] * (d < Shape.NopeDim ? expanded[d] : token[Shape.LatentDim + d - Shape.NopeDim]);
            }

            scores[t] *= Shape.Scale;
            values[t] = expanded[Shape.NopeDim..];
        }

        double max = scores.Max();
        double[] softmax = [.. scores.Select(score => Math.Exp(score - max))];
        double sum = softmax.Sum();
        double[] output = [.. Enumerable.Range(0, Shape.ValueDim).Select(d => values.Select((value, t) => softmax[t] * value[d]).Sum() / sum)];
        return (output, size);
    }

    public void Dispose()
    {
        _cache.Dispose();
        _tables.Dispose();
        Queries.Dispose();
        Expansion.Dispose();
    }

    private byte* Address(int sequence, int position) =>
        Pages.Block(_blocks[sequence][position / Segment]).RowPointer(position % Segment);

    private void Write(int sequence, int position, ReadOnlySpan<float> row) =>
        Sets.Reference.Codec.Encode(row, CacheFormat, Address(sequence, position));

    private double[] Read(int sequence, int position)
    {
        byte* row = Address(sequence, position);
        return [.. Enumerable.Range(0, Shape.CacheDim).Select(k =>
            (double)(CacheFormat == ElementFormat.F32 ? ((float*)row)[k] : BFloat16.Decode(((ushort*)row)[k])))];
    }

    private void Fill(int from, int to, float garbage)
    {
        float[] row = new float[Shape.CacheDim];
        Array.Fill(row, garbage);
        for (int t = from; t < to; t++)
        {
            Sets.Reference.Codec.Encode(row, CacheFormat, Pages.Block(t / Segment).RowPointer(t % Segment));
        }
    }
}
