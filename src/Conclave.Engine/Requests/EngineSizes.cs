namespace Conclave.Engine;

/// <summary>Sizes that a model was loaded with.</summary>
/// <param name="CacheBlocks">Blocks of a partition of the cache.</param>
/// <param name="TokensPerStep">Most tokens of a step in a partition.</param>
/// <param name="ContextLength">Most tokens of prompt and answer together.</param>
/// <param name="Partitions">Caches between which requests are divided.</param>
internal readonly record struct EngineSizes(int CacheBlocks, int TokensPerStep, int ContextLength, int Partitions = 1);
