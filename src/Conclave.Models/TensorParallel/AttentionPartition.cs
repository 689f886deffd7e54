namespace Conclave.Models;

/// <summary>
/// The part of a rank in a group whose ranks compute the same steps together, with the bits of a single rank: each computes some heads and some rows of the output projection for all tokens, and
/// feed-forward sublayers for some tokens. Each has the latents of all tokens. All are given the same batches; ranks that need no logits may ask for none.
/// </summary>
/// <param name="Rank">The rank in its group, from 0.</param>
/// <param name="Ranks">The ranks of the group; they must divide the model's heads.</param>
/// <param name="Gather">How parts come together; for this model alone.</param>
public sealed record AttentionPartition(int Rank, int Ranks, IRankGather Gather);
