using System.Text.Json.Serialization;

namespace Conclave.Server.Dashboard;

/// <summary>What /dashboard/state answers.</summary>
/// <param name="Model">The model's served name.</param>
/// <param name="ContextLength">Most tokens of prompt and answer together.</param>
/// <param name="UptimeSeconds">Since the server began to count.</param>
/// <param name="Running">Answers that are computed.</param>
/// <param name="Waiting">Requests and further answers that wait for their turn.</param>
/// <param name="CacheBlocks">Blocks of the cache.</param>
/// <param name="UsedBlocks">Blocks that answers hold.</param>
/// <param name="PrefixQueries">Tokens of prompts that were looked for in the prefix cache.</param>
/// <param name="PrefixHits">How many of these it had.</param>
/// <param name="Preemptions">How often an answer was computed again.</param>
/// <param name="PromptTokens">Tokens of prompts that were computed.</param>
/// <param name="GenerationTokens">Tokens that were generated.</param>
/// <param name="PromptRate">Tokens of prompts in each of the last whole seconds, the oldest first.</param>
/// <param name="GenerationRate">Generated tokens in the same seconds.</param>
/// <param name="Latencies">Percentiles of the last durations.</param>
/// <param name="Experts">Tokens by expert, for each layer with experts; null where the model has none.</param>
internal sealed record DashboardSnapshot(
    string Model,
    int ContextLength,
    double UptimeSeconds,
    int Running,
    int Waiting,
    int CacheBlocks,
    int UsedBlocks,
    long PrefixQueries,
    long PrefixHits,
    long Preemptions,
    long PromptTokens,
    long GenerationTokens,
    long[] PromptRate,
    long[] GenerationRate,
    LatencySummary[] Latencies,
    LayerLoad[]? Experts);

/// <summary>Percentiles of a duration, in seconds; null where there was none.</summary>
/// <param name="Name">The metric without prefix and unit.</param>
/// <param name="Count">How many durations they were taken from.</param>
/// <param name="P50">Half took no longer.</param>
/// <param name="P95">95 % took no longer.</param>
/// <param name="P99">99 % took no longer.</param>
internal sealed record LatencySummary(string Name, int Count, double? P50, double? P95, double? P99);

/// <summary>What the experts of a layer were given.</summary>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Tokens">Tokens by expert.</param>
internal sealed record LayerLoad(int Layer, long[] Tokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(DashboardSnapshot))]
internal sealed partial class DashboardJson : JsonSerializerContext;
