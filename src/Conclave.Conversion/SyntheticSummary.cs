namespace Conclave.Conversion;

/// <summary>What was written.</summary>
/// <param name="Files">Names of the files with weights.</param>
/// <param name="Bytes">Their size.</param>
/// <param name="Parameters">Weights of the model; scales are not counted, repeated embeddings are.</param>
public sealed record SyntheticSummary(IReadOnlyList<string> Files, long Bytes, long Parameters);
