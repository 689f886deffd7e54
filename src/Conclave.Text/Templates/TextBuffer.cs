using System.Text;

namespace Conclave.Text;

/// <summary>Text that grows up to the limit of the rendering.</summary>
internal sealed class TextBuffer(RenderState state)
{
    private readonly StringBuilder _text = new();

    public RenderState State => state;

    public int Length => _text.Length;

    public void Append(string text)
    {
        Reserve(text.Length);
        _text.Append(text);
    }

    public void Append(ReadOnlySpan<char> text)
    {
        Reserve(text.Length);
        _text.Append(text);
    }

    public void Append(char unit)
    {
        Reserve(1);
        _text.Append(unit);
    }

    public void Append(char unit, long count)
    {
        if (count <= 0)
        {
            return;
        }

        Reserve(count);
        _text.Append(unit, (int)count);
    }

    public void Append(Rune rune)
    {
        Span<char> units = stackalloc char[2];
        Append(units[..rune.EncodeToUtf16(units)]);
    }

    public override string ToString() => _text.ToString();

    private void Reserve(long count)
    {
        if (_text.Length + count > state.MaxLength)
        {
            throw TemplateErrors.Limit($"the output would exceed {state.MaxLength} characters");
        }

        if (count > 64)
        {
            state.Characters(count);
        }
    }
}
