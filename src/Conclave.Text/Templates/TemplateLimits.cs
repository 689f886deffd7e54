namespace Conclave.Text;

/// <summary>What one rendering may use; a template beyond it ends with <see cref="TemplateErrorKind.LimitError"/>.</summary>
public sealed record TemplateLimits
{
    /// <summary>The limits that hold where nobody gives others.</summary>
    public static TemplateLimits Default { get; } = new();

    /// <summary>Nodes evaluated, items visited, and one for every 16 characters read or written by string operations.</summary>
    public long MaxSteps { get; init; } = 10_000_000;

    /// <summary>UTF-16 units in the output, and in any string on the way to it.</summary>
    public int MaxLength { get; init; } = 16 << 20;
}
