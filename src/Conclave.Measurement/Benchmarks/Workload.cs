namespace Conclave.Measurement;

/// <summary>What a model is asked to do again and again.</summary>
/// <param name="Phase">Which of its two kinds of work.</param>
/// <param name="Context">Prefill: tokens of the prompt. Decode: tokens in the cache of every sequence before the first step.</param>
/// <param name="Batch">Sequences that are decoded together; 1 in prefill.</param>
public readonly record struct Workload(WorkloadPhase Phase, int Context, int Batch)
{
    /// <summary>"prefill" or "decode".</summary>
    public string PhaseName => Phase == WorkloadPhase.Prefill ? "prefill" : "decode";

    /// <summary>What is measured, for people: "prefill 512", "decode at 4096 × 16".</summary>
    public string Label => Phase == WorkloadPhase.Prefill ? $"{PhaseName} {Context}" : $"{PhaseName} at {Context} × {Batch}";
}

/// <summary>The two kinds of a model's work.</summary>
public enum WorkloadPhase
{
    /// <summary>A prompt is computed.</summary>
    Prefill,

    /// <summary>Tokens are generated, one in each step and sequence.</summary>
    Decode,
}
