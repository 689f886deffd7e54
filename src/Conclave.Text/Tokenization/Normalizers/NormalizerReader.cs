using Conclave.Primitives;
using Conclave.Text.Tokenization.PreTokenizers;

namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>Reads "normalizer"; null for one that does nothing (a sequence of none).</summary>
internal static class NormalizerReader
{
    public static Normalizer? Read(JsonCursor cursor) => cursor.Required("type").String() switch
    {
        "Sequence" => cursor.Required("normalizers").Items().Select(Read).OfType<Normalizer>().ToArray() is { Length: > 0 } items ? new SequenceNormalizer(items) : null,
        "NFC" => new NormalFormNormalizer(compatibility: false, compose: true),
        "NFD" => new NormalFormNormalizer(compatibility: false, compose: false),
        "NFKC" => new NormalFormNormalizer(compatibility: true, compose: true),
        "NFKD" => new NormalFormNormalizer(compatibility: true, compose: false),
        "Replace" => new ReplaceNormalizer(PreTokenizerReader.ReadPattern(cursor.Required("pattern")), ReadContent(cursor)),
        _ => throw TokenizerJsonReader.Unsupported(cursor, "NFC, NFD, NFKC, NFKD, Replace, Sequence"),
    };

    private static string ReadContent(JsonCursor cursor)
    {
        JsonCursor content = cursor.Required("content");
        string text = content.String();
        return text.Contains('$') && cursor.Required("pattern").Optional("Regex") is not null
            ? throw content.Error($"\"{text}\": groups of the pattern ($) are not supported in a replacement")
            : text;
    }
}
