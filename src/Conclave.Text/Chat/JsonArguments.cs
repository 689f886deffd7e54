using System.Text;

namespace Conclave.Text.Chat;

/// <summary>
/// Arguments that are JSON as it stands, with an end marker behind them, possibly in a code fence (<c>```json</c>). White space around them
/// is dropped.
/// </summary>
/// <param name="ends">Any of these markers ends the arguments.</param>
/// <param name="begin">The marker that begins the next call.</param>
internal sealed class JsonArguments(string[] ends, string begin) : ArgumentsReader
{
    private const string Fence = "```";
    private const int MaxFenceLine = 32;

    private readonly JsonEnd _end = new(ends, [begin, .. ends]);
    private bool _begun;
    private bool _fenced;
    private bool _any;

    /// <inheritdoc/>
    public override int Read(ReadOnlySpan<char> text, bool final, StringBuilder json)
    {
        int at = 0;
        if (!_begun && Begin(text, final, ref at) == Match.Undecided)
        {
            return at;
        }

        _begun = true;
        (int length, string? marker) = _end.Find(text[at..], final);
        int end = at + length;
        int kept = at + BeforeClosing(text[at..end], marker is not null, final);
        Emit(text[at..kept], json);
        if (marker is not null)
        {
            json.Append(_any ? string.Empty : "{}");
            IsEnded = true;
            return end + marker.Length;
        }

        return final ? text.Length : kept;
    }

    private Match Begin(ReadOnlySpan<char> text, bool final, ref int at)
    {
        at = text.Length - text.TrimStart().Length;
        Match fence = _fenced ? Match.No : TextScan.StartsWith(text[at..], Fence, final);
        if (final && !_fenced && IsFenceLine(text[at..]))
        {
            at = text.Length;
            return Match.Yes;
        }

        if (fence == Match.Yes)
        {
            int line = text[at..].IndexOf('\n');
            if (line < 0 && !final && text.Length - at < MaxFenceLine)
            {
                return Match.Undecided;
            }

            _fenced = line is >= 0 and < MaxFenceLine;
            at += _fenced ? line + 1 : 0;
            at += _fenced ? text[at..].Length - text[at..].TrimStart().Length : 0;
        }

        return fence == Match.Undecided || (at == text.Length && !final) ? Match.Undecided : Match.Yes;
    }

    // The text was cut in the line that opens the fence.
    private static bool IsFenceLine(ReadOnlySpan<char> text) =>
        text.Length is > 0 and < MaxFenceLine && text[0] == Fence[0] && text.TrimStart(Fence[0]).IndexOfAnyExceptInRange('a', 'z') < 0;

    // Without the closing fence, or what may become one or was cut in it, and the white space around it.
    private int BeforeClosing(ReadOnlySpan<char> text, bool ended, bool final)
    {
        ReadOnlySpan<char> kept = text;
        if (_fenced)
        {
            ReadOnlySpan<char> inner = kept.TrimEnd();
            int ticks = Math.Min(inner.Length - inner.TrimEnd(Fence[0]).Length, Fence.Length);
            kept = ticks == Fence.Length || (ticks > 0 && !ended) ? inner[..^ticks].TrimEnd() : kept;
        }

        return ended || !final ? Math.Max(kept.TrimEnd().Length, text.Length - TextScan.MaxSpace) : kept.Length;
    }

    private void Emit(ReadOnlySpan<char> text, StringBuilder json)
    {
        _end.Advance(text);
        _any |= !text.IsWhiteSpace();
        json.Append(text);
    }
}
