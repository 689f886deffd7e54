namespace Conclave.Models;

/// <summary>
/// Divides a step's rows into two micro-batches, so that one computes while tokens of the other travel (DeepSeek-V3, section 3.4; DeepEP's hooks). Of a sequence whose rows are divided, the second
/// reads in each layer what the first has written to the cache, so the first begins each layer first.
/// </summary>
internal sealed class MicroBatches(int maxTokens) : IDisposable
{
    private readonly ForwardBatch _first = Half(maxTokens);
    private readonly ForwardBatch _second = Half(maxTokens);

    /// <summary>Most tokens of a half.</summary>
    public static int MostTokens(int maxTokens) => (maxTokens + 1) / 2;

    /// <summary>Divides a step; both parts are valid until the next is divided.</summary>
    /// <param name="whole">The step.</param>
    /// <param name="exchange">Carried on between the operators of both.</param>
    /// <param name="first">Its first half, which is empty only where the step is.</param>
    /// <param name="second">The rest.</param>
    public void Divide(in Step whole, IExpertExchange exchange, out Step first, out Step second)
    {
        int cut = MostTokens(whole.Tokens);
        _first.TakeRows(whole.Batch, 0, cut);
        _second.TakeRows(whole.Batch, cut, whole.Tokens - cut);
        first = whole with { Batch = _first, Tokens = _first.Count, Meanwhile = exchange };
        second = whole with { Batch = _second, Tokens = _second.Count, Meanwhile = exchange, MicroBatch = 1, FirstRow = cut };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }

    private static ForwardBatch Half(int maxTokens) => new(MostTokens(maxTokens), MostTokens(maxTokens), 0);
}
