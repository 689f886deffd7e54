namespace Conclave.Text.Tokenization;

/// <summary>A token that is found in the text before anything else happens to it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">What is looked for.</param>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="LeftStrip">Swallows white space in front of it.</param>
/// <param name="RightStrip">Swallows white space behind it.</param>
/// <param name="Normalized">Looked for in normalized text (and normalized itself), not in the raw text.</param>
/// <param name="Special">Left out of decoded text on request, and not recognized where text must stay text.</param>
internal sealed record AddedToken(
    int Id, string Content, bool SingleWord, bool LeftStrip, bool RightStrip, bool Normalized, bool Special);
