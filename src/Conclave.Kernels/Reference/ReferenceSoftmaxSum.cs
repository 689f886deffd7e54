namespace Conclave.Kernels;

/// <summary>
/// Σ_t softmax(score)_t · value_t of one row, built up segment by segment: a segment's own maximum m, sum s = Σ e^(score − m) and a = Σ e^(score − m) · value
/// join the state (M, S, A) by scaling both sides to the greater maximum (online softmax, Milakov and Gimelshein 2018). The state is M, S, then A.
/// </summary>
internal static unsafe class ReferenceSoftmaxSum
{
    private const int Head = 2;

    /// <summary>Binary64 values of a state.</summary>
    public static nint StateSize(int dimensions) => Head + dimensions;

    public static void Begin(double* state, int dimensions)
    {
        new Span<double>(state, Head + dimensions).Clear();
        state[0] = double.NegativeInfinity;
    }

    /// <summary>Joins one segment, one position for each score; overwrites the scores.</summary>
    public static void Add(double* state, int dimensions, Span<double> scores, float* values, nint valueStride)
    {
        double max = double.NegativeInfinity;
        foreach (double score in scores)
        {
            max = Math.Max(max, score);
        }

        double sum = 0;
        foreach (ref double score in scores)
        {
            score = Transcendental.Exp(score - max);
            sum += score;
        }

        double joined = Math.Max(state[0], max);
        double old = Transcendental.Exp(state[0] - joined);
        double added = Transcendental.Exp(max - joined);
        state[0] = joined;
        state[1] = (state[1] * old) + (sum * added);
        for (int d = 0; d < dimensions; d++)
        {
            double average = 0;
            for (int t = 0; t < scores.Length; t++)
            {
                average += scores[t] * values[(t * valueStride) + d];
            }

            state[Head + d] = (state[Head + d] * old) + (average * added);
        }
    }

    public static void End(double* state, int dimensions, float* output)
    {
        for (int d = 0; d < dimensions; d++)
        {
            output[d] = (float)(state[Head + d] / state[1]);
        }
    }
}
