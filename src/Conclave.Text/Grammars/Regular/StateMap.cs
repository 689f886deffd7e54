namespace Conclave.Text.Grammars;

/// <summary>States of an automaton that is a product: each stands for a key, and is made when the key first comes up.</summary>
/// <param name="nfa">The automaton.</param>
internal sealed class StateMap<TKey>(ByteNfa nfa)
    where TKey : struct
{
    private readonly Dictionary<TKey, int> _states = [];
    private readonly Queue<TKey> _new = new();

    /// <summary>The automaton's start stands for this key.</summary>
    public void Start(TKey key) => Add(key, nfa.Start);

    /// <summary>The state of a key.</summary>
    public int Of(TKey key) => _states.TryGetValue(key, out int state) ? state : Add(key, nfa.NewState());

    /// <summary>The next key whose edges are still to be made.</summary>
    public bool TryNext(out TKey key, out int state)
    {
        state = _new.TryDequeue(out key) ? _states[key] : -1;
        return state >= 0;
    }

    private int Add(TKey key, int state)
    {
        _states.Add(key, state);
        _new.Enqueue(key);
        return state;
    }
}
