using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>
/// How long a text may become on its way through a tokenizer's steps: a file with many steps that each double the text would take all memory.
/// NFKD makes 18 characters of one (U+FDFA), their bytes are at most three times as many, and prefix spaces can double short pieces.
/// </summary>
internal sealed class TextGrowth(int original)
{
    private const int Factor = 128;
    private const int Always = 1 << 16;

    private readonly long _limit = Math.Min(Array.MaxLength, Always + ((long)Factor * original));

    /// <exception cref="UserErrorException">The text has become too long.</exception>
    public void Check(long length)
    {
        if (length > _limit)
        {
            throw new UserErrorException(
                $"the tokenizer's normalizer and pre-tokenizer make more than {_limit} characters of a text of {original}; look for steps that are there too often and for long replacements in tokenizer.json");
        }
    }
}
