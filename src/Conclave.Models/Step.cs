using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>What the parts of a model share while one step is computed.</summary>
/// <param name="Batch">The tokens.</param>
/// <param name="Kernels">The operators.</param>
/// <param name="Team">Who computes.</param>
/// <param name="Workspace">Activations.</param>
/// <param name="Experts">The weights of routed experts.</param>
/// <param name="Cache">Latents of all positions.</param>
/// <param name="Observer">Who looks at intermediate tensors, if anybody.</param>
internal readonly record struct Step(
    ForwardBatch Batch, KernelSet Kernels, WorkerTeam Team, Workspace Workspace, ExpertTable Experts, LatentCache Cache, IForwardObserver? Observer)
{
    public int Tokens => Batch.Count;

    /// <summary>x ← x + y.</summary>
    public void Add(TensorView y, TensorView x) => Kernels.ScaledAdd.Run(y, 1f, x, Team);
}
