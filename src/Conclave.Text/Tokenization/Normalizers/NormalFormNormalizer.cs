using Conclave.Text.Unicode;

namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>"NFC", "NFD", "NFKC", "NFKD".</summary>
internal sealed class NormalFormNormalizer(bool compatibility, bool compose) : Normalizer
{
    public override int[] Normalize(int[] text, TextGrowth growth) => NormalForm.Apply(text, compatibility, compose);
}
