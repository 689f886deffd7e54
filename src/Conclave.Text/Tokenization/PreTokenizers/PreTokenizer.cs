namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>One step of cutting a text into the pieces that the model sees one by one.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Whether all of the text is in the pieces.</summary>
    public virtual bool KeepsText => true;

    public abstract void Apply(PreTokenizedText text);
}
