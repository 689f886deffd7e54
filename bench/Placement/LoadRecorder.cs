using System.Globalization;
using Conclave.Engine;
using Conclave.Parallel.Placement;

namespace Conclave.Bench.Placements;

/// <summary>Lets a model write stories and poems and records what its experts have to do, window by window.</summary>
internal sealed class LoadRecorder(LoadedModel model, InferenceEngine engine, int windowTokens)
{
    private static readonly string[] Heroes =
    [
        "fox", "princess", "giant", "wolf", "goose", "miller", "tailor", "king", "witch", "bear", "frog", "soldier", "fisherman", "dragon", "mouse",
        "cat", "raven", "shepherd", "queen", "dwarf", "hunter", "swan", "donkey", "sailor", "merchant", "rose", "star", "well",
        "golden bird", "old woman", "little boy", "little girl", "poor man", "thief",
    ];

    private static readonly string[] Titles =
    [
        "春夜", "江上", "秋思", "送友人", "山居", "早梅", "月夜", "塞下曲", "登楼", "寒食", "柳", "雪", "夜雨", "渔父", "古寺", "落花", "望海",
        "闻笛", "客舍", "秋风", "宫词", "边城", "题竹", "春望",
        "别离", "晚泊", "溪上", "怀古", "听琴", "采莲", "中秋", "早行", "松", "归燕",
    ];

    private readonly Lock _lock = new();
    private readonly int _layers = engine.ExpertLoad!.Layers;
    private long[][] _before = [];
    private int _next;

    /// <summary>Records windows of English, then of Chinese; what is left over when the language changes belongs to no window.</summary>
    public async Task RecordAsync(int english, int chinese, Action<LoadWindow> record)
    {
        await RecordAsync("english", english, Story, record).ConfigureAwait(false);
        await RecordAsync("chinese", chinese, Poem, record).ConfigureAwait(false);
    }

    private static string Story(Random random)
    {
        string hero = Heroes[random.Next(Heroes.Length)];
        string other = Heroes[random.Next(Heroes.Length)];
        return random.Next(2) == 0 ? $"Tell me a story about a {hero}." : $"Tell me a fairy tale about a {hero} and a {other}.";
    }

    private static string Poem(Random random)
    {
        string title = Titles[random.Next(Titles.Length)];
        return random.Next(2) == 0 ? $"写一首题为《{title}》的诗。" : $"请以《{title}》为题写一首七言绝句。";
    }

    private async Task RecordAsync(string text, int windows, Func<Random, string> prompt, Action<LoadWindow> record)
    {
        _before = Snapshot();
        int recorded = 0;
        await Task.WhenAll(Enumerable.Range(0, engine.MaxRunning).Select(async _ =>
        {
            while (Volatile.Read(ref recorded) < windows)
            {
                await WriteAsync(prompt).ConfigureAwait(false);
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

    private async Task WriteAsync(Func<Random, string> prompt)
    {
        int number = Interlocked.Increment(ref _next);
        List<int> tokens = [];
        model.Tokenizer.Encode($"<｜begin▁of▁sentence｜><｜User｜>{prompt(new Random(number))}<｜Assistant｜><think>\n", tokens, addSpecialTokens: false);
        Generation generation = engine.Submit(new GenerationRequest { Prompt = tokens, Sampling = model.SuggestedSampling with { Seed = number, MaxTokens = 800 } });
        await foreach (GenerationUpdate _ in generation.ReadAllAsync().ConfigureAwait(false))
        {
        }
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
