using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// Scores of absorbed queries against cached tokens. Each is one chain of fused multiply-adds for each lane, over the vectors of a token in rising
/// order, the last filled up with zeros; then lanes are added.
/// </summary>
internal static unsafe class LatentDots<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int TokensAtOnce = 4;

    // What 32 registers have room for, or 16.
    private static int MostHeads => TSimd.Lanes == 16 ? 6 : 2;

    // Asked for into the second cache: the queries of all heads take most of the nearest one.
    private const int TokensAhead = 8;
    private const int CacheLine = 64;

    /// <summary>scores[h · scoreStride + t] = Σ_k queries[h · dimensions + k] · tokens[t · dimensions + k].</summary>
    /// <param name="queries">Absorbed queries, one after the other.</param>
    /// <param name="heads">How many.</param>
    /// <param name="tokens">Cached tokens, one after the other.</param>
    /// <param name="count">How many; at least one.</param>
    /// <param name="dimensions">Elements of a query and of a token.</param>
    /// <param name="scores">Written up to a multiple of four tokens.</param>
    /// <param name="scoreStride">Elements from the scores of one query to those of the next.</param>
    public static void Run(float* queries, int heads, float* tokens, int count, nint dimensions, float* scores, nint scoreStride)
    {
        // Tokens come from far: four of them stay in the nearest cache while all heads are computed, and later ones are asked for meanwhile, by each group of heads a part.
        int groups = (heads + MostHeads - 1) / MostHeads;
        int together = (heads + groups - 1) / groups;
        byte* end = (byte*)(tokens + (count * dimensions));
        nint part = ((TokensAtOnce * dimensions * sizeof(float) / groups) + CacheLine - 1) & -CacheLine;
        for (int t = 0; t < count; t += TokensAtOnce)
        {
            // Tokens that do not exist are the last one again.
            float* t0 = tokens + (t * dimensions);
            float* t1 = tokens + (int.Min(t + 1, count - 1) * dimensions);
            float* t2 = tokens + (int.Min(t + 2, count - 1) * dimensions);
            float* t3 = tokens + (int.Min(t + 3, count - 1) * dimensions);
            byte* ahead = (byte*)(tokens + ((t + TokensAhead) * dimensions));
            for (int head = 0; head < heads; head += together)
            {
                for (byte* limit = ahead + part; ahead < limit && ahead < end; ahead += CacheLine)
                {
                    Sse.Prefetch1(ahead);
                }

                Group(int.Min(together, heads - head), queries + (head * dimensions), t0, t1, t2, t3, dimensions, scores + (head * scoreStride) + t, scoreStride);
            }
        }
    }

    private static void Group(int heads, float* queries, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride)
    {
        switch (heads)
        {
            case 3:
                Avx512LatentDots<Three>.Run(queries, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 4:
                Avx512LatentDots<Four>.Run(queries, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 5:
                Avx512LatentDots<Five>.Run(queries, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            case 6:
                Avx512LatentDots<Six>.Run(queries, t0, t1, t2, t3, dimensions, scores, scoreStride);
                break;
            default:
                // A second query that does not exist is the first one again.
                nint second = heads - 1;
                (Vector128<float> first, Vector128<float> other) = TwoByFour(queries, queries + (second * dimensions), t0, t1, t2, t3, dimensions);
                first.Store(scores);
                other.Store(scores + (second * scoreStride));
                break;
        }
    }

    private static (Vector128<float> First, Vector128<float> Second) TwoByFour(
        float* q0, float* q1, float* t0, float* t1, float* t2, float* t3, nint dimensions)
    {
        TVector s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        nint k = 0;
        for (; k + TSimd.Lanes <= dimensions; k += TSimd.Lanes)
        {
            TVector a = TSimd.Load(q0 + k);
            TVector b = TSimd.Load(q1 + k);
            TVector token = TSimd.Load(t0 + k);
            s00 = TSimd.Fma(a, token, s00);
            s10 = TSimd.Fma(b, token, s10);
            token = TSimd.Load(t1 + k);
            s01 = TSimd.Fma(a, token, s01);
            s11 = TSimd.Fma(b, token, s11);
            token = TSimd.Load(t2 + k);
            s02 = TSimd.Fma(a, token, s02);
            s12 = TSimd.Fma(b, token, s12);
            token = TSimd.Load(t3 + k);
            s03 = TSimd.Fma(a, token, s03);
            s13 = TSimd.Fma(b, token, s13);
        }

        if (k < dimensions)
        {
            TVector mask = TSimd.Mask((int)(dimensions - k));
            TVector a = TSimd.LoadMasked(q0 + k, mask);
            TVector b = TSimd.LoadMasked(q1 + k, mask);
            TVector token = TSimd.LoadMasked(t0 + k, mask);
            s00 = TSimd.Fma(a, token, s00);
            s10 = TSimd.Fma(b, token, s10);
            token = TSimd.LoadMasked(t1 + k, mask);
            s01 = TSimd.Fma(a, token, s01);
            s11 = TSimd.Fma(b, token, s11);
            token = TSimd.LoadMasked(t2 + k, mask);
            s02 = TSimd.Fma(a, token, s02);
            s12 = TSimd.Fma(b, token, s12);
            token = TSimd.LoadMasked(t3 + k, mask);
            s03 = TSimd.Fma(a, token, s03);
            s13 = TSimd.Fma(b, token, s13);
        }

        return (TSimd.ReduceAdd(s00, s01, s02, s03), TSimd.ReduceAdd(s10, s11, s12, s13));
    }
}
