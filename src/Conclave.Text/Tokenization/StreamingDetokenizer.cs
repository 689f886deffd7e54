using System.Buffers;
using System.Text;

namespace Conclave.Text;

/// <summary>
/// Text of ids as they arrive. It never hands out half a character: bytes that may still become one are held back, bytes that cannot become
/// one are U+FFFD at once. All parts and the last one together are what <see cref="Tokenizer.Decode"/> makes of all ids. For one thread.
/// </summary>
/// <param name="tokenizer">The tokenizer that the ids belong to.</param>
/// <param name="skipSpecial">Leaves special tokens out.</param>
public sealed class StreamingDetokenizer(Tokenizer tokenizer, bool skipSpecial)
{
    private readonly StringBuilder _text = new();
    private readonly byte[] _held = new byte[4];
    private int _heldCount;
    private bool _any;

    /// <summary>Takes one id and returns the text that is complete now (often empty).</summary>
    /// <exception cref="Conclave.Primitives.UserErrorException">The id is outside the vocabulary; nothing was taken.</exception>
    public string Append(int id)
    {
        Add(id);
        return Take();
    }

    /// <summary>The end: what is held back cannot become a character any more and is U+FFFD. Afterwards a new text can begin.</summary>
    public string Flush()
    {
        if (_heldCount > 0)
        {
            _text.Append('\uFFFD');
            _heldCount = 0;
        }

        _any = false;
        return Take();
    }

    internal void Add(int id)
    {
        if (tokenizer.IsGap(id) || (skipSpecial && tokenizer.IsSpecial(id)))
        {
            return;
        }

        if (_any && tokenizer.SpacesBetweenTokens)
        {
            AddBytes(" "u8);
        }

        _any = true;
        AddBytes(tokenizer.TokenBytes(id));
    }

    private void AddBytes(ReadOnlySpan<byte> bytes)
    {
        // One byte at a time as long as the begun sequence lasts, then from the token itself.
        while (_heldCount > 0 && !bytes.IsEmpty)
        {
            _held[_heldCount++] = bytes[0];
            bytes = bytes[1..];
            int left = AddText(_held.AsSpan(0, _heldCount));
            _held.AsSpan(_heldCount - left, left).CopyTo(_held);
            _heldCount = left;
        }

        if (!bytes.IsEmpty)
        {
            _heldCount = AddText(bytes);
            bytes[^_heldCount..].CopyTo(_held);
        }
    }

    // Returns how many bytes at the end may still become a character.
    private int AddText(ReadOnlySpan<byte> utf8)
    {
        while (!utf8.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(utf8, out Rune rune, out int consumed);
            if (status == OperationStatus.NeedMoreData)
            {
                break;
            }

            _text.Append(rune);
            utf8 = utf8[consumed..];
        }

        return utf8.Length;
    }

    private string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}
