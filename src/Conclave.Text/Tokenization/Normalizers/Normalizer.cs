namespace Conclave.Text.Tokenization.Normalizers;

/// <summary>A rewriting of the text before it is cut.</summary>
internal abstract class Normalizer
{
    public abstract int[] Normalize(int[] text, TextGrowth growth);
}
