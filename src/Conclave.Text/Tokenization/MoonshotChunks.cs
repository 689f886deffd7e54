namespace Conclave.Text.Tokenization;

/// <summary>
/// How Moonshot's tokenizer (tokenization_kimi.py) cuts a text before tiktoken sees it: every 400,000 code points, and where more than
/// 25,000 in a row are all white space or all not.
/// </summary>
internal sealed class MoonshotChunks(ReadOnlyMemory<int> text)
{
    private const int ChunkLength = 400_000;
    private const int RunLength = 25_000;

    private int _at;
    private int _run;
    private bool _space;

    public bool TryNext(out Range range)
    {
        ReadOnlySpan<int> points = text.Span;
        int start = _at;
        range = start..start;
        if (start == points.Length)
        {
            return false;
        }

        for (; _at < points.Length; _at++)
        {
            bool space = points[_at] <= char.MaxValue && PythonText.IsWhite((char)points[_at]);
            bool chunkStarts = _at % ChunkLength == 0;
            if (chunkStarts)
            {
                (_run, _space) = (0, space);
            }

            if (chunkStarts && _at > start)
            {
                break;
            }

            _run = space == _space ? _run + 1 : 1;
            _space = space;
            if (_run > RunLength)
            {
                _run = 0;
                break;
            }
        }

        range = start.._at;
        return true;
    }
}
