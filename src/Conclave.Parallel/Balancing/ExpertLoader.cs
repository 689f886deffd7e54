using Conclave.Models;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Balancing;

/// <summary>Gets the weights of experts that come to a rank.</summary>
internal sealed class ExpertLoader(DeepSeekModel model, int rank)
{
    /// <summary>Bytes of weights that came so far. Belongs to the thread that runs steps.</summary>
    public long MovedBytes { get; private set; }

    /// <summary>Gets the experts of the rank's slots ready, on any thread; what it returns puts them in use, between two steps.</summary>
    public Action Prepare(IReadOnlyList<SlotMap?> slots)
    {
        ExpertTable present = model.Experts;
        ExpertTable next = model.MapExperts(layer => slots[layer]!.ExpertsOf(rank));
        next.Load(present);
        return () =>
        {
            MovedBytes += next.BytesBeyond(present);
            model.UseExperts(next);
            _ = Task.Run(() => present.Release(next));
        };
    }
}
