using System.Text;

namespace Conclave.Text;

/// <summary>
/// Python's str, counted in code points; with <see cref="IsMarkup"/> set it is markupsafe's Markup, which escapes the plain strings that
/// are joined to it (the filters safe and escape make these, with autoescape off too).
/// </summary>
internal sealed class StringValue(string text, bool isMarkup = false) : Value
{
    public static readonly StringValue Empty = new("");

    // Code points before each one when they are not all one unit wide; found when an index is first needed.
    private int[]? _starts;
    private int _length = -1;

    public string Text => text;

    public bool IsMarkup => isMarkup;

    public override string TypeName => isMarkup ? "Markup" : "str";

    public override string ObjectName => isMarkup ? "markupsafe.Markup object" : "str object";

    public override bool IsTrue => text.Length > 0;

    public override long Weight => 1 + text.Length / 16;

    public override bool HasItems => true;

    /// <summary>Code points.</summary>
    public int Count => _length >= 0 ? _length : _length = CountCodePoints(text);

    public override int? Length => Count;

    public override void WriteText(TextBuffer buffer) => buffer.Append(text);

    public override void WriteRepr(TextBuffer buffer)
    {
        if (isMarkup)
        {
            buffer.Append("Markup(");
        }

        StringRepr.Write(buffer, text);
        if (isMarkup)
        {
            buffer.Append(')');
        }
    }

    public override bool EqualTo(Value other) => other is StringValue value && string.Equals(text, value.Text, StringComparison.Ordinal);

    public override int Hash() => string.GetHashCode(text, StringComparison.Ordinal);

    public override IEnumerator<Value> Iterate(RenderState state)
    {
        for (int i = 0; i < text.Length;)
        {
            int width = Width(text, i);
            yield return new StringValue(text.Substring(i, width));
            i += width;
        }
    }

    public override IEnumerator<Value> IterateReversed(RenderState state)
    {
        for (int i = Count - 1; i >= 0; i--)
        {
            yield return At(i);
        }
    }

    public override bool Contains(RenderState state, Value item)
    {
        if (item is not StringValue part)
        {
            throw item.UndefinedError() is not null
                ? TemplateErrors.Type("'in <string>' requires string as left operand, not Undefined")
                : TemplateErrors.Type($"'in <string>' requires string as left operand, not {item.TypeName}");
        }

        state.Characters(text.Length);
        return text.Contains(part.Text, StringComparison.Ordinal);
    }

    public override Value? Item(RenderState state, Value key)
    {
        if (!key.TryInteger(out System.Numerics.BigInteger? index))
        {
            return null;
        }

        System.Numerics.BigInteger position = index.Value.Sign < 0 ? index.Value + Count : index.Value;
        return position.Sign < 0 || position >= Count ? null : At((int)position);
    }

    public override Value Slice(RenderState state, Value? start, Value? stop, Value? step)
    {
        SliceRange range = SliceRange.Of(Count, start, stop, step);
        state.Characters(range.Count);
        if (range.Step == 1)
        {
            return range.Count == 0 ? new StringValue("", isMarkup) : new StringValue(Part((int)range.Start, range.Count), isMarkup);
        }

        StringBuilder picked = new();
        foreach (int i in range.Indices())
        {
            int unit = Start(i);
            picked.Append(text, unit, Width(text, unit));
        }

        return new StringValue(picked.ToString(), isMarkup);
    }

    public override Value? Attribute(RenderState state, string name) => StringMethods.Find(this, name);

    public override bool IsHidden(string name) => base.IsHidden(name) || StringMethods.IsHidden(name);

    /// <summary>Code points <paramref name="first"/> up to <paramref name="count"/> of them.</summary>
    public string Part(int first, int count)
    {
        int start = Start(first);
        return text[start..Start(first + count)];
    }

    /// <summary>The unit at which a code point starts.</summary>
    public int Start(int index)
    {
        if (Count == text.Length)
        {
            return index;
        }

        _starts ??= FindStarts();
        return index == _starts.Length ? text.Length : _starts[index];
    }

    /// <summary>The code point that starts at a unit.</summary>
    public int IndexOfUnit(int unit)
    {
        if (Count == text.Length)
        {
            return unit;
        }

        _starts ??= FindStarts();
        int index = Array.BinarySearch(_starts, unit);
        return index >= 0 ? index : ~index;
    }

    public static int Width(string text, int unit) =>
        char.IsHighSurrogate(text[unit]) && unit + 1 < text.Length && char.IsLowSurrogate(text[unit + 1]) ? 2 : 1;

    public static int CountCodePoints(string text)
    {
        int count = 0;
        for (int i = 0; i < text.Length; i += Width(text, i))
        {
            count++;
        }

        return count;
    }

    private StringValue At(int index)
    {
        int unit = Start(index);
        return new StringValue(text.Substring(unit, Width(text, unit)), isMarkup);
    }

    private int[] FindStarts()
    {
        int[] starts = new int[Count];
        int count = 0;
        for (int i = 0; i < text.Length; i += Width(text, i))
        {
            starts[count++] = i;
        }

        return starts;
    }
}
