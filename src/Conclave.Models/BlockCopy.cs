namespace Conclave.Models;

/// <summary>A block of the latent cache that must be copied before a step computes anything, because a sequence that will write to it shares it with another (copy on write).</summary>
/// <param name="From">The shared block.</param>
/// <param name="To">The copy, from now on in the writer's block table.</param>
public readonly record struct BlockCopy(int From, int To);
