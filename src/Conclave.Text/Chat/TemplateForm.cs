namespace Conclave.Text.Chat;

/// <summary>How a chat template takes messages, found out by having it write some. Templates that differ here are alike in nothing else that a caller could look at.</summary>
/// <param name="TakesMissingContent">
/// Whether an assistant's message that only calls tools may have null for its content. Some templates know calls by it; others write it out as "None" or fail, and get an empty text.
/// </param>
/// <param name="PartSeparator">What stands between the text parts of one content: nothing where the template reads parts itself and puts nothing there, else a line break.</param>
/// <param name="IgnoresTools">Whether it writes nothing of the tools that it is given, as DeepSeek's own: the model would not know of them.</param>
public sealed record TemplateForm(bool TakesMissingContent, string PartSeparator, bool IgnoresTools)
{
    /// <summary>Has a template write messages.</summary>
    public static TemplateForm Of(ChatTemplate template) =>
        new(TemplateProbe.TakesMissingContent(template), TemplateProbe.JoinsParts(template) ? "" : "\n", TemplateProbe.IgnoresTools(template));
}
