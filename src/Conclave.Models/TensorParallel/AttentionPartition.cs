using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// The part of a rank in a group whose ranks compute the same steps together, with the bits of a single rank: each computes some heads and some rows of the output projection for all tokens, and
/// feed-forward sublayers for some tokens. Each has the latents of all tokens. All are given the same batches; ranks that need no logits may ask for none.
/// </summary>
/// <param name="Rank">The rank in its group, from 0.</param>
/// <param name="Ranks">The ranks of the group; they must divide the model's heads.</param>
/// <param name="Gather">How parts come together; for this model alone.</param>
public sealed record AttentionPartition(int Rank, int Ranks, IRankGather Gather)
{
    /// <summary>Makes sure that so many ranks can divide a model's attention.</summary>
    /// <exception cref="UserErrorException">They do not divide the heads.</exception>
    public static void CheckRanks(ModelConfig config, int ranks)
    {
        if (config.Heads % ranks != 0)
        {
            throw new UserErrorException(
                $"the model has {config.Heads} attention heads, which {ranks} ranks cannot share evenly; divide attention (--tp) over a number of ranks that divides {config.Heads}");
        }
    }
}
