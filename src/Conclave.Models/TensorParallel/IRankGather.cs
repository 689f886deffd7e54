using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>Brings together what the ranks of a group have computed of one matrix (an all-gather). The model never knows how.</summary>
public interface IRankGather
{
    /// <summary>Sends this rank's part to all others and waits for theirs. All ranks of the group call it in the same order with parts of the same shapes.</summary>
    /// <param name="parts">
    /// By rank, the part of this rank's matrix that the rank computes: F32, any rows or columns, none where it computes nothing. This rank's own is read, all others are overwritten.
    /// </param>
    void Gather(ReadOnlySpan<TensorView> parts);
}
