namespace Conclave.Text.Grammars;

/// <summary>The state of one constrained sequence: which tokens may come next. For one thread; matchers of one grammar share what they compute.</summary>
public sealed class GrammarMatcher
{
    private static readonly Configuration Ended = new([], 0);

    private readonly TokenMasks _vocabulary;
    private readonly GrammarMasks _masks;
    private Configuration _current;

    internal GrammarMatcher(TokenMasks vocabulary, GrammarMasks masks)
    {
        _vocabulary = vocabulary;
        _masks = masks;
        lock (masks)
        {
            masks.Shrink();
            _current = masks.Automaton.Start;
        }
    }

    private GrammarMatcher(GrammarMatcher other)
    {
        _vocabulary = other._vocabulary;
        _masks = other._masks;
        _current = other._current;
    }

    /// <summary>The length of a mask, as <see cref="TokenMasks.MaskWords"/>.</summary>
    public int MaskWords => _vocabulary.MaskWords;

    /// <summary>Whether the text may end here.</summary>
    public bool IsComplete => _current == Ended || _current.IsComplete;

    /// <summary>Whether an end token was taken: nothing can follow.</summary>
    public bool IsEnded => _current == Ended;

    /// <summary>Takes a token if it may come next. Otherwise nothing changes, and the answer is false.</summary>
    /// <param name="token">Any number; ids outside the vocabulary may never come next.</param>
    /// <exception cref="Conclave.Primitives.UserErrorException">The grammar has so many readings of the text that it takes too long.</exception>
    public bool TryAccept(int token)
    {
        Configuration next;
        lock (_masks)
        {
            next = Next(token);
        }

        if (next.IsDead && next != Ended)
        {
            return false;
        }

        _current = next;
        return true;
    }

    /// <summary>
    /// Sets the bit of each token that may come next and clears all others. End tokens are allowed exactly where <see cref="IsComplete"/>;
    /// after an end token no bit is set. A text that is not complete always has a token that may come next, if the vocabulary has one for
    /// each byte and those that the grammar names.
    /// </summary>
    /// <param name="mask">At least <see cref="TokenMasks.MaskWords"/> words; words beyond are cleared.</param>
    /// <exception cref="ArgumentException">The mask is too short.</exception>
    /// <exception cref="Conclave.Primitives.UserErrorException">The grammar has so many readings of the text that it takes too long.</exception>
    public void FillMask(Span<uint> mask)
    {
        if (mask.Length < _vocabulary.MaskWords)
        {
            throw new ArgumentException($"{mask.Length} words; at least {_vocabulary.MaskWords} are expected", nameof(mask));
        }

        lock (_masks)
        {
            _masks.MaskOf(_current).CopyTo(mask);
        }

        if (_current.IsComplete)
        {
            foreach (int token in _vocabulary.EndTokens)
            {
                TokenSet.Set(mask, token);
            }
        }
    }

    /// <summary>A matcher in the same state that goes its own way.</summary>
    internal GrammarMatcher Clone() => new(this);

    // Named tokens come first: where a grammar expects one, its bytes do not count.
    private Configuration Next(int token)
    {
        _masks.Shrink();
        PushdownAutomaton automaton = _masks.Automaton;
        Configuration next = automaton.NextToken(_current, token);
        if (!next.IsDead)
        {
            return next;
        }

        if (_vocabulary.EndTokens.Contains(token))
        {
            return _current.IsComplete ? Ended : next;
        }

        ReadOnlySpan<byte> text = _vocabulary.TextOf(token);
        if (text.IsEmpty)
        {
            return next;
        }

        next = _current;
        foreach (byte value in text)
        {
            next = automaton.Next(next, value);
        }

        return next;
    }
}
