namespace Conclave.Text.Grammars;

/// <summary>
/// The masks of one grammar over one vocabulary. For the states of a rule, wherever the rule was called from, the tokens that stay inside
/// the rule are computed once; only tokens that run past the rule's end depend on the rest of the stack and are checked against it
/// (adaptive token masks: Dong et al. 2024, XGrammar, section 3.1). Complete masks are kept as well. All access is under a lock on this.
/// </summary>
/// <param name="grammar">The grammar, which is told what is kept for it.</param>
/// <param name="trie">The vocabulary.</param>
/// <param name="shared">Masks that other grammars over the vocabulary have too.</param>
/// <param name="words">The length of a mask.</param>
/// <param name="cacheLimit">How much may be kept, in words of 4 bytes, roughly: so much of states, and as much of masks.</param>
internal sealed class GrammarMasks(Grammar grammar, TokenTrie trie, SharedFrames shared, int words, int cacheLimit)
{
    private readonly PushdownProgram _program = grammar.Program;
    private readonly int _maxHeight = grammar.Program.Heights.Where(static height => height <= GrammarBudget.MaxDocumentDepth).Max();
    private readonly Dictionary<(StateSet States, int Depth), FrameMask> _frames = [];
    private readonly Dictionary<Configuration, TokenSet> _complete = [];
    private readonly Configuration[] _path = new Configuration[trie.MaxDepth + 1];
    private readonly uint[] _bits = new uint[words];
    private readonly List<int> _pending = [];
    private int _cached;
    private long _told;

    public PushdownAutomaton Automaton { get; } = new(grammar.Program, cacheLimit);

    /// <summary>The tokens that can come next, end-of-text tokens aside.</summary>
    public TokenSet MaskOf(Configuration configuration)
    {
        configuration = Automaton.Twin(configuration, trie.MaxDepth);
        if (_complete.TryGetValue(configuration, out TokenSet? known))
        {
            return known;
        }

        Shrink();
        List<FrameMask> frames = [.. configuration.Tops.Select(top => FrameMaskOf(top.States, top.Frame.Depth))];
        Array.Clear(_bits);
        for (int i = 0; i < frames.Count; i++)
        {
            (StateSet states, StackNode frame) = configuration.Tops[i];
            frames[i].Inside.AddTo(_bits);
            foreach ((int token, _) in Automaton.TokensOf(states))
            {
                TokenSet.Set(_bits, token);
            }

            if (frames[i].Pending.Length == 0 || frame.Callers.Length == 0)
            {
                continue;
            }

            Configuration after = Automaton.AfterPop(frame);
            foreach (int node in frames[i].Pending)
            {
                Walk(node + 1, trie.Ends[node], after);
            }
        }

        _pending.Clear();
        TokenSet mask = new(_bits);
        _complete.Add(configuration, mask);
        _cached += mask.Words;
        return mask;
    }

    /// <summary>Forgets what has become too much. Called before a question from outside, never within.</summary>
    public void Shrink()
    {
        if (Automaton.TryShrink() || _cached > cacheLimit)
        {
            _frames.Clear();
            _complete.Clear();
            _cached = 0;
        }

        long bytes = sizeof(int) * ((long)_cached + Automaton.Cached);
        grammar.AddMaskBytes(bytes - _told);
        _told = bytes;
    }

    private FrameMask FrameMaskOf(StateSet states, int depth)
    {
        // The depth only matters where one token could reach the limit of open brackets.
        depth = depth + trie.MaxBrackets + _maxHeight <= GrammarBudget.MaxDocumentDepth ? 0 : depth;
        if (!_frames.TryGetValue((states, depth), out FrameMask? mask))
        {
            (ByteDfa Automaton, int State)? regular = RegularStateOf(states);
            mask = regular is { } known ? shared.Find(known) : null;
            if (mask is null)
            {
                Array.Clear(_bits);
                _pending.Clear();
                Walk(0, trie.Count, Automaton.Alone(states, Automaton.Bottom(depth)));
                mask = new FrameMask(new TokenSet(_bits), [.. _pending]);
                if (regular is { } state)
                {
                    shared.Keep(state, mask);
                }
                else
                {
                    _cached += mask.Inside.Words + mask.Pending.Length;
                }
            }

            _frames.Add((states, depth), mask);
        }

        return mask;
    }

    // The rule's end says nothing that the automaton's state does not say; everything else must be that one state.
    private (ByteDfa Automaton, int State)? RegularStateOf(StateSet states)
    {
        (ByteDfa Automaton, int State)? found = null;
        foreach (int state in states.States)
        {
            if (_program.Regular.TryGetValue(state, out (ByteDfa Automaton, int State) regular) && found is null)
            {
                found = regular;
            }
            else if (!_program.Ending[state])
            {
                return null;
            }
        }

        return found;
    }

    // Marks the tokens of the nodes from first to end that can follow, and notes where the rule at the bottom of the stack has ended with
    // bytes of longer tokens still to come.
    private void Walk(int first, int end, Configuration from)
    {
        if (first == end)
        {
            return;
        }

        int top = trie.Depths[first];
        _path[0] = from;
        for (int node = first; node < end;)
        {
            int depth = trie.Depths[node] - top;
            Configuration next = Automaton.Next(_path[depth], trie.Values[node]);
            if (next.IsDead)
            {
                node = trie.Ends[node];
                continue;
            }

            _path[depth + 1] = next;
            foreach (int token in trie.TokensAt(node))
            {
                TokenSet.Set(_bits, token);
            }

            if (next.IsComplete && trie.Ends[node] > node + 1)
            {
                _pending.Add(node);
            }

            node++;
        }
    }
}
