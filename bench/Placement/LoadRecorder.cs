using System.Globalization;
using Conclave.Engine;
using Conclave.Parallel.Placement;

namespace Conclave.Bench.Placements;

/// <summary>Lets a model write stories and poems and records what its experts have to do, window by window.</summary>
internal sealed class LoadRecorder(LoadedModel model, InferenceEngine engine, int windowTokens)
{
    private readonly Lock _lock = new();
    private readonly int _layers = engine.ExpertLoad!.Layers;
    private readonly Writer _writer = new(model, engine);
    private long[][] _before = [];

    /// <summary>Records windows of English, then of Chinese; what is left over when the language changes belongs to no window.</summary>
    public async Task RecordAsync(int english, int chinese, Action<LoadWindow> record)
    {
        await RecordAsync("english", english, Prompts.Story, record).ConfigureAwait(false);
        await RecordAsync("chinese", chinese, Prompts.Poem, record).ConfigureAwait(false);
    }

    private async Task RecordAsync(string text, int windows, Func<Random, string> prompt, Action<LoadWindow> record)
    {
        _before = Snapshot();
        int recorded = 0;
        await Task.WhenAll(Enumerable.Range(0, engine.MaxRunning).Select(async _ =>
        {
            while (Volatile.Read(ref recorded) < windows)
            {
                await _writer.WriteAsync(prompt).ConfigureAwait(false);
                lock (_lock)
                {
                    if (recorded < windows && TryTake(text) is { } window)
                    {
                        recorded++;
                        record(window);
                    }
                }
            }
        })).ConfigureAwait(false);
    }

    private long[][] Snapshot() => [.. Enumerable.Range(0, _layers).Select(layer => engine.ExpertLoad!.Tokens(layer).ToArray()).Where(loads => loads.Length > 0)];

    private LoadWindow? TryTake(string text)
    {
        long[][] now = Snapshot();
        double[] loads = [.. now.Zip(_before).SelectMany(pair => pair.First.Zip(pair.Second, static (after, before) => (double)(after - before)))];
        ExpertLoads window = new(now.Length, now[0].Length, loads);
        if (window.Total(0) < (double)windowTokens * model.Model.Config.ExpertsPerToken)
        {
            return null;
        }

        _before = now;
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{text}: {window.Total(0) / model.Model.Config.ExpertsPerToken} tokens"));
        return new LoadWindow(text, window);
    }
}
