using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// The inner loops of projections with AVX-512, for weights of one format.
/// </summary>
internal readonly unsafe struct Avx512Loops<TWeights> : IProjectionLoops
    where TWeights : struct, IAvx512Weights
{
    // On Intel's cores (those on which subnormals are slow) all 512-bit operations share two units, so that decoding in registers and taking halves out cost multiply-adds. AMD's have other units
    // for it.
    private const int InputsForWholes = 80;

    // Of two classes together, whose sums stay in registers for two weight rows.
    private const int PairInputs = 6;

    private static int GroupBytes => Group * ElementBytes;

    /// <inheritdoc/>
    public static int Lanes => Vector512<float>.Count;

    /// <inheritdoc/>
    public static int Group => 4 * Vector512<float>.Count;

    /// <inheritdoc/>
    public static int ElementBytes => 4 / TWeights.Interleaving;

    /// <inheritdoc/>
    public static float InputFactor => TWeights.InputFactor;

    /// <inheritdoc/>
    public static float TileInputFactor => TWeights.LoadInputFactor;

    /// <inheritdoc/>
    public static float OutputFactor => TWeights.OutputFactor;

    /// <inheritdoc/>
    public static int GemvInputs => 3;

    /// <inheritdoc/>
    public static int TileInputs => 6;

    /// <inheritdoc/>
    public static int TilesTogether => 1;

    /// <inheritdoc/>
    public static int ClassInputs => TWeights.Interleaving == 4 ? 12 : PairInputs;

    /// <inheritdoc/>
    public static int ClassesTogether(int count) => count > PairInputs ? 1 : 2;

    /// <inheritdoc/>
    public static int MostClassInputs => TWeights.MostClassInputs;

    /// <inheritdoc/>
    public static int PanelRows => 128;

    /// <inheritdoc/>
    public static int Streams(int inputs) => TWeights.HasHalves && (inputs < InputsForWholes || Subnormals.AreFast) ? 2 : 4;

    /// <inheritdoc/>
    public static int Stream(int streams, int ofClass) => streams == 4 ? ofClass : TWeights.Interleaving == 4 ? ofClass % 2 : ofClass / 2;

    /// <inheritdoc/>
    public static void Arrange(float* natural, float factor, float* arranged, nint stride, nint classStride, nint groups)
    {
        Vector512<float> scale = Vector512.Create(factor);
        for (nint g = 0; g < groups; g++)
        {
            Interleave(natural, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
            (v0 * scale).Store(arranged);
            (v1 * scale).Store(arranged + classStride);
            (v2 * scale).Store(arranged + (2 * classStride));
            (v3 * scale).Store(arranged + (3 * classStride));
            natural += Group;
            arranged += stride;
        }
    }

    /// <inheritdoc/>
    public static void Decode(int streams, byte* weights, float* decoded, nint stride, nint streamStride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            if (streams == 2)
            {
                TWeights.LoadHalves(weights, out Vector512<uint> a, out Vector512<uint> b);
                a.AsSingle().Store(decoded);
                b.AsSingle().Store(decoded + streamStride);
            }
            else
            {
                TWeights.Load(weights, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
                v0.Store(decoded);
                v1.Store(decoded + streamStride);
                v2.Store(decoded + (2 * streamStride));
                v3.Store(decoded + (3 * streamStride));
            }

            weights += GroupBytes;
            decoded += stride;
        }
    }

    /// <inheritdoc/>
    public static void Pack(float* natural, float* scales, float* packed, nint stride, nint classStride, nint groups)
    {
        for (nint g = 0; g < groups; g++)
        {
            Interleave(natural, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3);
            if (scales is not null)
            {
                v0 *= Vector512.Load(scales);
                v1 *= Vector512.Load(scales + Vector512<float>.Count);
                v2 *= Vector512.Load(scales + (2 * Vector512<float>.Count));
                v3 *= Vector512.Load(scales + (3 * Vector512<float>.Count));
                scales += Group;
            }

            v0.Store(packed);
            v1.Store(packed + classStride);
            v2.Store(packed + (2 * classStride));
            v3.Store(packed + (3 * classStride));
            natural += Group;
            packed += stride;
        }
    }

    /// <inheritdoc/>
    public static void Gemv(
        int count, byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums)
    {
        switch (count)
        {
            case 1:
                Avx512Gemv<TWeights>.Single(weights, rowBytes, rows, inputs, groups, segment, tails, lanes, sums);
                break;
            case 2:
                Avx512Gemv<TWeights>.Pairs<Two>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
            default:
                Avx512Gemv<TWeights>.Pairs<Three>(weights, rowBytes, rows, inputs, inputStride, groups, segment, tails, lanes, sums);
                break;
        }
    }

    /// <inheritdoc/>
    public static void Tile(int count, int streams, int ofClass, float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
    {
        if (streams == 4)
        {
            Tile<Whole>(count, weights, inputs, vectors, lanes, first, sums);
        }
        else if ((TWeights.Interleaving == 4 ? ofClass / 2 : ofClass % 2) == 0)
        {
            Tile<LowerHalf>(count, weights, inputs, vectors, lanes, first, sums);
        }
        else
        {
            Tile<UpperHalf>(count, weights, inputs, vectors, lanes, first, sums);
        }
    }

    /// <inheritdoc/>
    public static void ClassTile(int count, int pass, in ClassRows rows, float* inputs, nint classStride, in ClassSums unfinished, bool first)
    {
        if (ClassesTogether(count) == 1)
        {
            OneClassTile(count, pass, rows, inputs + (pass * classStride), unfinished, first && pass == 0);
        }
        else if (pass == 0)
        {
            PairTile<Zero>(count, rows, inputs, classStride, unfinished, first);
        }
        else
        {
            PairTile<One>(count, rows, inputs, classStride, unfinished, first);
        }
    }

    /// <inheritdoc/>
    public static void ShortTile(int count, int rows, float* weights, float* inputs, nint groups, float* output, nint outputStride) =>
        Avx512ShortTile.Run(count, rows, weights, inputs, groups, OutputFactor, output, outputStride);

    /// <inheritdoc/>
    public static void AddLanes(int count, float* lanes, float* sums) => Avx512Lanes.Sum(count, lanes, sums);

    private static void PairTile<TPair>(int count, in ClassRows rows, float* inputs, nint classStride, in ClassSums unfinished, bool first)
        where TPair : struct, ICount
    {
        switch (count)
        {
            case 1:
                Avx512PairTile<TWeights, TPair>.Run<One>(rows, inputs, classStride, unfinished, first);
                break;
            case 2:
                Avx512PairTile<TWeights, TPair>.Run<Two>(rows, inputs, classStride, unfinished, first);
                break;
            case 3:
                Avx512PairTile<TWeights, TPair>.Run<Three>(rows, inputs, classStride, unfinished, first);
                break;
            case 4:
                Avx512PairTile<TWeights, TPair>.Run<Four>(rows, inputs, classStride, unfinished, first);
                break;
            case 5:
                Avx512PairTile<TWeights, TPair>.Run<Five>(rows, inputs, classStride, unfinished, first);
                break;
            default:
                Avx512PairTile<TWeights, TPair>.Run<Six>(rows, inputs, classStride, unfinished, first);
                break;
        }
    }

    private static void OneClassTile(int count, int ofClass, in ClassRows rows, float* inputs, in ClassSums unfinished, bool first)
    {
        switch (count)
        {
            case 7:
                Avx512ClassTile<TWeights>.Run<Seven>(ofClass, rows, inputs, unfinished, first);
                break;
            case 8:
                Avx512ClassTile<TWeights>.Run<Eight>(ofClass, rows, inputs, unfinished, first);
                break;
            case 9:
                Avx512ClassTile<TWeights>.Run<Nine>(ofClass, rows, inputs, unfinished, first);
                break;
            case 10:
                Avx512ClassTile<TWeights>.Run<Ten>(ofClass, rows, inputs, unfinished, first);
                break;
            case 11:
                Avx512ClassTile<TWeights>.Run<Eleven>(ofClass, rows, inputs, unfinished, first);
                break;
            default:
                Avx512ClassTile<TWeights>.Run<Twelve>(ofClass, rows, inputs, unfinished, first);
                break;
        }
    }

    private static void Tile<TPart>(int count, float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums)
        where TPart : struct, IPanelPart
    {
        switch (count)
        {
            case 1:
                Avx512Tile<TPart>.Run<One>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 2:
                Avx512Tile<TPart>.Run<Two>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 3:
                Avx512Tile<TPart>.Run<Three>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 4:
                Avx512Tile<TPart>.Run<Four>(weights, inputs, vectors, lanes, first, sums);
                break;
            case 5:
                Avx512Tile<TPart>.Run<Five>(weights, inputs, vectors, lanes, first, sums);
                break;
            default:
                Avx512Tile<TPart>.Run<Six>(weights, inputs, vectors, lanes, first, sums);
                break;
        }
    }

    /// <summary>A group of natural order in the order of decoded weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Interleave(float* natural, out Vector512<float> v0, out Vector512<float> v1, out Vector512<float> v2, out Vector512<float> v3)
    {
        v0 = Vector512.Load(natural);
        v1 = Vector512.Load(natural + 16);
        v2 = Vector512.Load(natural + 32);
        v3 = Vector512.Load(natural + 48);
        if (TWeights.Interleaving > 1)
        {
            Vector512<int> even = Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            Vector512<int> odd = even + Vector512<int>.One;
            Vector512<float> even01 = Avx512F.PermuteVar16x32x2(v0, even, v1);
            Vector512<float> odd01 = Avx512F.PermuteVar16x32x2(v0, odd, v1);
            Vector512<float> even23 = Avx512F.PermuteVar16x32x2(v2, even, v3);
            Vector512<float> odd23 = Avx512F.PermuteVar16x32x2(v2, odd, v3);
            if (TWeights.Interleaving == 2)
            {
                (v0, v1, v2, v3) = (even01, odd01, even23, odd23);
                return;
            }

            v0 = Avx512F.PermuteVar16x32x2(even01, even, even23);
            v1 = Avx512F.PermuteVar16x32x2(odd01, even, odd23);
            v2 = Avx512F.PermuteVar16x32x2(even01, odd, even23);
            v3 = Avx512F.PermuteVar16x32x2(odd01, odd, odd23);
        }
    }
}
