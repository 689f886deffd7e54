namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>"Sequence": one after the other.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<Normalizer> items) : Normalizer
{
    public override int[] Normalize(int[] text, TextGrowth growth)
    {
        foreach (Normalizer item in items)
        {
            text = item.Normalize(text, growth);
            growth.Check(text.Length);
        }

        return text;
    }
}
