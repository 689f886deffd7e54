namespace Conclave.Text;

/// <summary>Errors that name the template and the line.</summary>
internal static class SyntaxErrors
{
    public static TemplateException At(string name, int line, string problem) =>
        new(TemplateErrorKind.TemplateSyntaxError, $"{name}: line {line}: {problem}", line);
}
