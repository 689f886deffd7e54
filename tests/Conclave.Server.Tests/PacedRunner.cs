using Conclave.Engine.Scheduling;
using Conclave.Engine.Tests.Requests;
using Conclave.Primitives;

namespace Conclave.Server.Tests;

/// <summary>A scripted model whose steps take their time.</summary>
internal sealed class PacedRunner(ScriptedRunner inner, TimeSpan pace) : IModelRunner
{
    public int VocabularySize => inner.VocabularySize;

    public TensorView Run(params ReadOnlySpan<StepPlan> plans)
    {
        Thread.Sleep(pace);
        return inner.Run(plans);
    }

    public void Dispose() => inner.Dispose();
}
