using Conclave.Text.Patterns;

namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>A text that pre-tokenizers cut into pieces, one after the other. Pieces are never empty.</summary>
internal sealed class PreTokenizedText(MatchState state, TextGrowth growth)
{
    private List<Piece> _pieces = [];
    private List<Piece> _next = [];
    private int[] _buffer = [];

    /// <summary>What is left for patterns to spend on the whole text.</summary>
    public MatchState State { get; } = state;

    /// <summary>How long the text may become.</summary>
    public TextGrowth Growth { get; } = growth;

    public IReadOnlyList<Piece> Pieces => _pieces;

    public ReadOnlySpan<int> this[Piece piece] => _buffer.AsSpan(piece.Start, piece.Length);

    /// <summary>Starts over with one piece.</summary>
    public void Reset(ReadOnlySpan<int> text)
    {
        _pieces.Clear();
        if (_buffer.Length < text.Length)
        {
            _buffer = new int[text.Length];
        }

        text.CopyTo(_buffer);
        if (!text.IsEmpty)
        {
            _pieces.Add(new Piece(0, text.Length));
        }
    }

    /// <summary>Adds a piece of the same text to the next generation.</summary>
    public void Add(int start, int length)
    {
        if (length > 0)
        {
            _next.Add(new Piece(start, length));
        }
    }

    /// <summary>The pieces that were added replace those that were there.</summary>
    public void Commit()
    {
        (_pieces, _next) = (_next, _pieces);
        _next.Clear();
    }

    /// <summary>The pieces that were added replace those that were there; they lie in another text.</summary>
    public void Commit(int[] buffer)
    {
        _buffer = buffer;
        Commit();
    }

    public readonly record struct Piece(int Start, int Length);
}
