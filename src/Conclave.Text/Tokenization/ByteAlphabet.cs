namespace Conclave.Text.Tokenization;

/// <summary>
/// The printable characters that stand for the 256 bytes in the vocabulary of a byte-level tokenizer: printable Latin-1 stands for itself,
/// the others follow from U+0100 on. Source: GPT-2's encoder (bytes_to_unicode).
/// </summary>
internal static class ByteAlphabet
{
    /// <summary>One past the last character of the alphabet.</summary>
    public const int Limit = 0x144;

    private static readonly char[] Characters = new char[256];
    private static readonly short[] Bytes = new short[Limit];

    static ByteAlphabet()
    {
        Array.Fill(Bytes, (short)-1);
        char next = (char)0x100;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            Characters[value] = printable ? (char)value : next++;
            Bytes[Characters[value]] = (short)value;
        }
    }

    public static char Character(byte value) => Characters[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int Byte(int character) => (uint)character < Limit ? Bytes[character] : -1;

    /// <summary>The token as a vocabulary writes these bytes.</summary>
    public static string Text(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i] = Characters[bytes[i]];
        }

        return new string(text);
    }
}
