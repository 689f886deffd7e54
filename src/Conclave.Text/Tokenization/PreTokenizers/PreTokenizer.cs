namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>One step of cutting a text into the pieces that the model sees one by one.</summary>
internal abstract class PreTokenizer
{
    public abstract void Apply(PreTokenizedText text);
}
