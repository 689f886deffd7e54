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
        int groups = (heads + TSimd.DotQueries - 1) / TSimd.DotQueries;
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

                TSimd.LatentDots(int.Min(together, heads - head), queries + (head * dimensions), t0, t1, t2, t3, dimensions, scores + (head * scoreStride) + t, scoreStride);
            }
        }
    }
}
