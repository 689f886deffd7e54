namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>"Sequence": one after the other.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<Normalizer> items) : Normalizer
{
    public override int[] Normalize(int[] text)
    {
        foreach (Normalizer item in items)
        {
            text = item.Normalize(text);
        }

        return text;
    }
}
