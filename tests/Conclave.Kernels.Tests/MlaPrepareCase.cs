using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>Random weights, inputs, angles and cache rows of <see cref="MlaPrepare"/>, and its outputs by their definition, in binary64.</summary>
internal sealed unsafe class MlaPrepareCase : IDisposable
{
    private const float Epsilon = 1e-6f;
    private const int Blocks = 5;
    private const float Untouched = 12345;

    private readonly Matrix? _queryDown;
    private readonly Matrix _queryNorm;
    private readonly Matrix _queryUp;
    private readonly Matrix _latentDown;
    private readonly Matrix _latentNorm;
    private readonly Matrix _input;
    private readonly Matrix _cos;
    private readonly Matrix _sin;
    private readonly ElementFormat _cacheFormat;
    private readonly bool _interleaved;

    public MlaPrepareCase(int seed, int? tokens = null)
    {
        Random random = new(seed);
        Shape = new LatentAttentionShape(random.Next(1, 7), random.Next(1, 40), 2 * random.Next(0, 20), 3, random.Next(1, 70), 1);
        int hidden = random.Next(1, 200);
        int rank = random.Next(1, 90);
        int count = tokens ?? (random.Next(4) == 0 ? random.Next(20, 120) : random.Next(1, 10));
        bool bottleneck = random.Next(3) > 0;
        _cacheFormat = random.Next(2) == 0 ? ElementFormat.F32 : ElementFormat.BF16;
        _interleaved = random.Next(2) == 0;
        _queryDown = bottleneck ? Weight(random, rank, hidden) : null;
        _queryNorm = Matrix.Random(random, 1, rank);
        _queryUp = Weight(random, Shape.Heads * Shape.QueryDim, bottleneck ? rank : hidden);
        _latentDown = Weight(random, Shape.CacheDim, hidden);
        _latentNorm = Matrix.Random(random, 1, Shape.LatentDim);
        _input = Matrix.Random(random, count, hidden, padding: random.Next(3));
        _cos = Matrix.Random(random, count, Shape.RopeDim / 2);
        _sin = Matrix.Random(random, count, Shape.RopeDim / 2);
        nint[] rows = [.. Enumerable.Range(0, Blocks * LatentPages.TokensPerBlock).Select(row => (nint)row)];
        random.Shuffle(rows);
        CacheRows = rows[..count];
        QueryPadding = random.Next(3);
    }

    public LatentAttentionShape Shape { get; }

    public nint[] CacheRows { get; }

    private int QueryPadding { get; }

    /// <summary>The queries and the whole cache after a run, as binary32.</summary>
    public (int[] Query, int[] Cache) Run(MlaPrepare prepare, WorkerTeam team)
    {
        using Matrix query = Matrix.Random(new Random(1), _input.View.Rows, Shape.Heads * Shape.QueryDim, padding: QueryPadding);
        using NativeBuffer memory = new((nint)Blocks * LatentPages.TokensPerBlock * Shape.CacheDim * _cacheFormat.Size());
        LatentPages pages = new(memory.Data, _cacheFormat, Shape.CacheDim, Blocks);
        for (nint i = 0; i < memory.Length / _cacheFormat.Size(); i++)
        {
            if (_cacheFormat == ElementFormat.F32)
            {
                ((float*)memory.Data)[i] = Untouched;
            }
            else
            {
                ((ushort*)memory.Data)[i] = BFloat16.Encode(Untouched);
            }
        }

        prepare.Run(
            Shape,
            new MlaPrepareWeights(_queryDown?.View, _queryNorm.View, _queryUp.View, _latentDown.View, _latentNorm.View, Epsilon),
            _input.View,
            new RotaryAngles(_cos.View, _sin.View, _interleaved),
            pages,
            CacheRows,
            query.View,
            team);
        int[] cache = new int[memory.Length / _cacheFormat.Size()];
        for (int i = 0; i < cache.Length; i++)
        {
            float value = _cacheFormat == ElementFormat.F32 ? ((float*)memory.Data)[i] : BFloat16.Decode(((ushort*)memory.Data)[i]);
            cache[i] = BitConverter.SingleToInt32Bits(value);
        }

        return (query.Bits(), cache);
    }

    /// <summary>Compares a run with the definition, relative to the largest value of a row; returns the largest difference.</summary>
    public double Error(MlaPrepare prepare, WorkerTeam team)
    {
        (int[] query, int[] cache) = Run(prepare, team);
        double[][]? queryDown = _queryDown?.Exact();
        double[][] queryUp = _queryUp.Exact();
        double[][] latentDown = _latentDown.Exact();
        double error = 0;
        for (int t = 0; t < CacheRows.Length; t++)
        {
            double[] x = [.. _input.View.RowF32(t).ToArray().Select(value => (double)value)];
            double[] compressed = queryDown is null ? x : Normalized(Product(queryDown, x), _queryNorm, queryDown.Length);
            double[] queries = Product(queryUp, compressed);
            for (int head = 0; head < Shape.Heads; head++)
            {
                Turn(queries.AsSpan((head * Shape.QueryDim) + Shape.NopeDim, Shape.RopeDim), t);
            }

            double[] latent = Normalized(Product(latentDown, x), _latentNorm, Shape.LatentDim);
            Turn(latent.AsSpan(Shape.LatentDim), t);
            error = Math.Max(error, Difference(queries, query.AsSpan(t * queries.Length, queries.Length), 0));
            error = Math.Max(error, Difference(latent, cache.AsSpan((int)CacheRows[t] * latent.Length, latent.Length), _cacheFormat == ElementFormat.F32 ? 0 : 1.0 / 256));
        }

        HashSet<nint> written = [.. CacheRows];
        for (int row = 0; row < Blocks * LatentPages.TokensPerBlock; row++)
        {
            float kept = _cacheFormat == ElementFormat.F32 ? Untouched : BFloat16.Decode(BFloat16.Encode(Untouched));
            Assert.True(written.Contains(row) || cache.AsSpan(row * Shape.CacheDim, Shape.CacheDim).IndexOfAnyExcept(BitConverter.SingleToInt32Bits(kept)) < 0);
        }

        return error;
    }

    public void Dispose()
    {
        _queryDown?.Dispose();
        foreach (Matrix matrix in new[] { _queryNorm, _queryUp, _latentDown, _latentNorm, _input, _cos, _sin })
        {
            matrix.Dispose();
        }
    }

    private static Matrix Weight(Random random, int rows, int columns) =>
        Matrix.Weight(random, Sets.WeightFormats[random.Next(Sets.WeightFormats.Length)], rows, columns);

    private static double[] Product(double[][] weights, double[] x) =>
        [.. weights.Select(row => row.Zip(x, (w, value) => w * value).Sum())];

    private static double[] Normalized(double[] x, Matrix gain, int width)
    {
        double root = Math.Sqrt((x.Take(width).Sum(value => value * value) / width) + Epsilon);
        return [.. x.Select((value, i) => i < width ? value / root * gain[0, i] : value)];
    }

    private static double Difference(double[] expected, ReadOnlySpan<int> bits, double rounding)
    {
        double largest = expected.Max(Math.Abs) + 1e-9;
        double error = 0;
        for (int i = 0; i < bits.Length; i++)
        {
            double difference = Math.Abs(BitConverter.Int32BitsToSingle(bits[i]) - expected[i]) - (rounding * Math.Abs(expected[i]));
            error = Math.Max(error, difference / largest);
        }

        return error;
    }

    private void Turn(Span<double> x, int token)
    {
        int pairs = x.Length / 2;
        for (int i = 0; i < pairs; i++)
        {
            (int a, int b) = _interleaved ? (2 * i, (2 * i) + 1) : (i, i + pairs);
            (double cos, double sin) = (_cos[token, i], _sin[token, i]);
            (x[a], x[b]) = ((x[a] * cos) - (x[b] * sin), (x[a] * sin) + (x[b] * cos));
        }
    }
}
