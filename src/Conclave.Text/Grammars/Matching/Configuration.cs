namespace Conclave.Text.Grammars;

/// <summary>
/// Everything an automaton knows after some input: for each frame on top of a stack, the states of its rule. Two inputs with the same
/// future have, as a rule, the same object. What follows is computed when it is asked for and kept.
/// </summary>
internal sealed class Configuration
{
    public Configuration((StateSet States, StackNode Frame)[] tops, int classes)
    {
        Tops = tops;
        Next = tops.Length == 0 ? [] : new Configuration?[classes];
        foreach ((StateSet states, StackNode frame) in tops)
        {
            IsComplete |= states.IsFinal && frame.Callers.Length == 0;
        }
    }

    public (StateSet States, StackNode Frame)[] Tops { get; }

    /// <summary>By class of bytes: what it leads to; null if that is not computed yet.</summary>
    public Configuration?[] Next { get; }

    /// <summary>What has the same mask, see <see cref="PushdownAutomaton.Twin(Configuration, int)"/>; null if that is not computed yet.</summary>
    public Configuration? Twin { get; set; }

    /// <summary>Whether the input may end here: the rule at the bottom of the stack has ended.</summary>
    public bool IsComplete { get; }

    /// <summary>Whether nothing can follow and the input is not complete either: it was wrong.</summary>
    public bool IsDead => Tops.Length == 0;
}
