namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>
/// Collects matches and the gaps between them and cuts a piece as Hugging Face's SplitDelimiterBehavior says. Source: tokenizers,
/// NormalizedString::split.
/// </summary>
internal sealed class Splitter(SplitBehavior behavior, bool invert)
{
    private readonly List<(int Start, int End, bool IsMatch)> _spans = [];
    private int _covered;

    public void Begin(int start)
    {
        _spans.Clear();
        _covered = start;
    }

    public void AddMatch(int start, int end)
    {
        if (start != _covered)
        {
            _spans.Add((_covered, start, invert));
        }

        _spans.Add((start, end, !invert));
        _covered = end;
    }

    public void Finish(int end, PreTokenizedText text)
    {
        if (_covered != end)
        {
            _spans.Add((_covered, end, invert));
        }

        switch (behavior)
        {
            case SplitBehavior.Isolated:
                foreach ((int start, int stop, _) in _spans)
                {
                    text.Add(start, stop - start);
                }

                break;
            case SplitBehavior.Removed:
                foreach ((int start, int stop, bool isMatch) in _spans)
                {
                    if (!isMatch)
                    {
                        text.Add(start, stop - start);
                    }
                }

                break;
            case SplitBehavior.MergedWithPrevious:
                Join(text, static (previous, current) => current && !previous);
                break;
            case SplitBehavior.Contiguous:
                Join(text, static (previous, current) => current == previous);
                break;
            default:
                JoinBackwards(text);
                break;
        }
    }

    private void Join(PreTokenizedText text, Func<bool, bool, bool> joins)
    {
        bool previous = false;
        int from = -1;
        int to = -1;
        foreach ((int start, int end, bool isMatch) in _spans)
        {
            if (from < 0 || !joins(previous, isMatch))
            {
                text.Add(from, to - from);
                from = start;
            }

            to = end;
            previous = isMatch;
        }

        text.Add(from, to - from);
    }

    // A match joins what follows it, unless that is a match too: decided from the end, as the reference does.
    private void JoinBackwards(PreTokenizedText text)
    {
        Span<bool> startsPiece = new bool[_spans.Count];
        bool following = false;
        for (int i = _spans.Count - 1; i >= 0; i--)
        {
            bool joins = _spans[i].IsMatch && !following && i < _spans.Count - 1;
            if (joins)
            {
                startsPiece[i + 1] = false;
            }

            startsPiece[i] = true;
            following = _spans[i].IsMatch;
        }

        int from = -1;
        int to = -1;
        for (int i = 0; i < _spans.Count; i++)
        {
            if (startsPiece[i])
            {
                text.Add(from, to - from);
                from = _spans[i].Start;
            }

            to = _spans[i].End;
        }

        text.Add(from, to - from);
    }
}
