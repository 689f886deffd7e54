using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>Prompts that have nothing in common, or only the prefix of their group.</summary>
/// <param name="seed">The same seed gives the same requests.</param>
/// <param name="input">Tokens of a prompt, its group's prefix not counted.</param>
/// <param name="output">Tokens of an answer.</param>
/// <param name="sharedPrefix">Tokens that all prompts of a group begin with; 0: none.</param>
/// <param name="groups">How many groups there are; a request belongs to any of them with the same probability.</param>
public sealed class RandomRequests(int seed, TokenRange input, TokenRange output, int sharedPrefix = 0, int groups = 1) : RequestSource
{
    // Streams of the seed: one for each thing that is drawn.
    private readonly ulong _groups = SplitMix64.At((ulong)seed, 0);
    private readonly ulong _prompts = SplitMix64.At((ulong)seed, 1);
    private readonly ulong _inputs = SplitMix64.At((ulong)seed, 2);
    private readonly ulong _outputs = SplitMix64.At((ulong)seed, 3);
    private readonly ulong _choices = SplitMix64.At((ulong)seed, 4);

    /// <inheritdoc/>
    public override int? Count => null;

    /// <inheritdoc/>
    public override LoadRequest Request(int index)
    {
        ulong at = (ulong)index;
        PromptSegment own = new(SplitMix64.At(_prompts, at), input.Draw(_inputs, at));
        int answer = output.Draw(_outputs, at);
        if (sharedPrefix == 0)
        {
            return new LoadRequest([own], answer);
        }

        ulong group = (ulong)SplitMix64.Below(_choices, at, groups);
        return new LoadRequest([new PromptSegment(SplitMix64.At(_groups, group), sharedPrefix), own], answer);
    }
}
