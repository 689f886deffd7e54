namespace Conclave.Kernels;

/// <summary>
/// Softmax over the context, segment by segment. A segment gives the weights e^(score − m) with its own maximum m, their sum s and a weighted sum a of
/// vectors; the state (M, S, A) of a row takes them in by scaling both sides to the greater maximum:
/// M' = max(M, m), S' = fma(S, e^(M − M'), s · e^(m − M')), A' = fma(A, e^(M − M'), a · e^(m − M')); the first segment is the state itself (online
/// softmax, Milakov and Gimelshein 2018).
/// </summary>
internal static unsafe class SegmentSoftmax<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>
    /// Turns scores into weights and returns what they were related to. Lane l of the sum takes the positions l, l + Lanes, …; then lanes are added.
    /// </summary>
    /// <param name="scores">Room for a segment, of which the first <paramref name="count"/> are scores.</param>
    /// <param name="count">At least one.</param>
    /// <param name="scale">What scores are multiplied by first.</param>
    public static Sums Weigh(float* scores, int count, float scale)
    {
        TVector factor = TSimd.Broadcast(scale);
        TVector lowest = TSimd.Broadcast(float.NegativeInfinity);
        TVector max = lowest;
        for (int t = 0; t < count; t += TSimd.Lanes)
        {
            TVector scaled = TSimd.Multiply(TSimd.Load(scores + t), factor);
            scaled = TSimd.Select(TSimd.Mask(int.Min(TSimd.Lanes, count - t)), scaled, lowest);
            TSimd.Store(scores + t, scaled);
            max = TSimd.Max(max, scaled);
        }

        float greatest = TSimd.ReduceMax(max);
        TVector offset = TSimd.Broadcast(greatest);
        TVector sum = default;
        for (int t = 0; t < count; t += TSimd.Lanes)
        {
            TVector weight = SimdExp<TSimd, TVector>.Exp(TSimd.Subtract(TSimd.Load(scores + t), offset));
            TSimd.Store(scores + t, weight);
            sum = TSimd.Add(sum, weight);
        }

        return new Sums(greatest, TSimd.ReduceAdd(sum));
    }

    /// <summary>Takes a segment's sums into a row's state.</summary>
    public static void Join(ref Sums state, float* total, Sums segment, float* part, int dimensions, bool first)
    {
        if (first)
        {
            state = segment;
            new ReadOnlySpan<float>(part, dimensions).CopyTo(new Span<float>(total, dimensions));
            return;
        }

        float max = Math.Max(state.Max, segment.Max);
        float old = Transcendental.Exp(state.Max - max);
        float added = Transcendental.Exp(segment.Max - max);
        state = new Sums(max, MathF.FusedMultiplyAdd(state.Sum, old, segment.Sum * added));
        TVector oldFactor = TSimd.Broadcast(old);
        TVector addedFactor = TSimd.Broadcast(added);
        int d = 0;
        for (; d + TSimd.Lanes <= dimensions; d += TSimd.Lanes)
        {
            TSimd.Store(total + d, TSimd.Fma(TSimd.Load(total + d), oldFactor, TSimd.Multiply(TSimd.Load(part + d), addedFactor)));
        }

        if (d < dimensions)
        {
            TVector mask = TSimd.Mask(dimensions - d);
            TVector scaled = TSimd.Multiply(TSimd.LoadMasked(part + d, mask), addedFactor);
            TSimd.StoreMasked(total + d, mask, TSimd.Fma(TSimd.LoadMasked(total + d, mask), oldFactor, scaled));
        }
    }

    /// <summary>Divides by the sum of all weights.</summary>
    public static void End(Sums state, float* total, int dimensions)
    {
        TVector factor = TSimd.Broadcast(1 / state.Sum);
        int d = 0;
        for (; d + TSimd.Lanes <= dimensions; d += TSimd.Lanes)
        {
            TSimd.Store(total + d, TSimd.Multiply(TSimd.Load(total + d), factor));
        }

        if (d < dimensions)
        {
            TVector mask = TSimd.Mask(dimensions - d);
            TSimd.StoreMasked(total + d, mask, TSimd.Multiply(TSimd.LoadMasked(total + d, mask), factor));
        }
    }

    /// <summary>What weights were related to, and their sum.</summary>
    /// <param name="Max">The greatest score.</param>
    /// <param name="Sum">Σ e^(score − Max).</param>
    public readonly record struct Sums(float Max, float Sum);
}
