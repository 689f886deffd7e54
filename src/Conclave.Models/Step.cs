using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>What the parts of a model share while one step, or one of its two micro-batches, is computed.</summary>
/// <param name="Batch">The tokens.</param>
/// <param name="Kernels">The operators.</param>
/// <param name="Team">Who computes.</param>
/// <param name="Workspace">Activations of the whole step.</param>
/// <param name="Experts">The weights of routed experts.</param>
/// <param name="Cache">Latents of all positions.</param>
/// <param name="Observer">Who looks at intermediate tensors, if anybody.</param>
internal readonly record struct Step(
    ForwardBatch Batch, KernelSet Kernels, WorkerTeam Team, Workspace Workspace, ExpertTable Experts, LatentCache Cache, IForwardObserver? Observer)
{
    /// <summary>Tokens whose rows these are; of the batch's all, unless this is a part of it.</summary>
    public int Tokens { get; init; } = Batch.Count;

    /// <summary>0, or 1 for the second of two micro-batches.</summary>
    public int MicroBatch { get; init; }

    /// <summary>The step's row that the first token has.</summary>
    public int FirstRow { get; init; }

    /// <summary>Carries on the exchange of the other micro-batch, between operators; null where there is none.</summary>
    public IExpertExchange? Meanwhile { get; init; }

    /// <summary>The rows of these tokens in an activation of the workspace.</summary>
    public TensorView Rows(TensorView activation) => activation.SliceRows(FirstRow, Tokens);

    /// <summary>x ← x + y.</summary>
    public void Add(TensorView y, TensorView x) => Kernels.ScaledAdd.Run(y, 1f, x, Team);
}
