namespace Conclave.Text;

/// <summary>
/// A template that cannot be parsed or that failed while it was rendered. The message is Python's: the kind, a colon, the sentence that
/// Jinja2 or Python gives for the same mistake.
/// </summary>
public sealed class TemplateException : Exception
{
    /// <summary>Creates the error; <paramref name="detail"/> is the sentence without the kind.</summary>
    public TemplateException(TemplateErrorKind kind, string detail, int line = 0)
        : base($"{kind}: {detail}")
    {
        Kind = kind;
        Detail = detail;
        Line = line;
    }

    /// <summary>Which of Python's exceptions this stands for.</summary>
    public TemplateErrorKind Kind { get; }

    /// <summary>The message without the kind.</summary>
    public string Detail { get; }

    /// <summary>The line of the template, counted from 1; 0 where it is not known.</summary>
    public int Line { get; internal set; }
}
