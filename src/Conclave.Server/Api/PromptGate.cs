using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Conclave.Engine;

namespace Conclave.Server.Api;

/// <summary>
/// Bounds how many long requests are turned into tokens at a time: each takes seconds of a core and many times its size in memory. The others wait in turn, as many as may wait for
/// the engine. Short ones take milliseconds and do not wait behind them.
/// </summary>
internal sealed class PromptGate(InferenceEngine engine)
{
    /// <summary>Bytes of a body that is not long.</summary>
    public const int ShortBytes = 256 << 10;

    // Has an entry for each that is under way; others wait to write theirs, the first one first. One core is left for those that are short.
    private readonly Channel<bool> _seats = Channel.CreateBounded<bool>(Math.Max(1, Environment.ProcessorCount - 1));
    private int _inside;

    /// <summary>Does what makes a prompt of a body.</summary>
    /// <exception cref="EngineUnavailableException">As many requests wait as may wait.</exception>
    public async Task<T> RunAsync<T>(JsonDocument body, Func<T> make, CancellationToken cancellation)
    {
        if (JsonMarshal.GetRawUtf8Value(body.RootElement).Length <= ShortBytes)
        {
            return make();
        }

        try
        {
            engine.CheckAvailable(Interlocked.Increment(ref _inside));
            await _seats.Writer.WriteAsync(true, cancellation);
            try
            {
                return make();
            }
            finally
            {
                _seats.Reader.TryRead(out _);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }
}
