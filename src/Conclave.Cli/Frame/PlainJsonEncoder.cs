using System.Text;
using System.Text.Encodings.Web;

namespace Conclave.Cli.Frame;

/// <summary>
/// Escapes what RFC 8259 (section 7) demands and nothing else: quotation mark, backslash, control characters. The framework's relaxed encoder also
/// escapes everything beyond U+FFFF, which nobody can read in the output.
/// </summary>
internal sealed class PlainJsonEncoder : JavaScriptEncoder
{
    /// <summary>The only one that is needed.</summary>
    public static PlainJsonEncoder Instance { get; } = new();

    /// <inheritdoc/>
    public override int MaxOutputCharactersPerInputCharacter => 6;

    /// <inheritdoc/>
    public override bool WillEncode(int unicodeScalar) => unicodeScalar is < ' ' or '"' or '\\' or 0x7F;

    /// <inheritdoc/>
    public override unsafe int FindFirstCharacterToEncode(char* text, int textLength)
    {
        ReadOnlySpan<char> rest = new(text, textLength);
        while (!rest.IsEmpty)
        {
            // Lone surrogates are not text; the base class writes U+FFFD for what is reported here.
            if (Rune.DecodeFromUtf16(rest, out Rune rune, out int units) != System.Buffers.OperationStatus.Done || WillEncode(rune.Value))
            {
                return textLength - rest.Length;
            }

            rest = rest[units..];
        }

        return -1;
    }

    /// <inheritdoc/>
    public override unsafe bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        Span<char> destination = new(buffer, bufferLength);
        string escaped = unicodeScalar switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ => $"\\u{unicodeScalar:x4}",
        };
        bool fits = WillEncode(unicodeScalar) ? escaped.TryCopyTo(destination) : new Rune(unicodeScalar).TryEncodeToUtf16(destination, out _);
        numberOfCharactersWritten = !fits ? 0 : WillEncode(unicodeScalar) ? escaped.Length : new Rune(unicodeScalar).Utf16SequenceLength;
        return fits;
    }
}
