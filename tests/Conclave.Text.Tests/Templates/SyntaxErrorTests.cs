namespace Conclave.Text.Tests.Templates;

public sealed class SyntaxErrorTests
{
    [Theory]
    [InlineData("a\n{% if x %}\nb", 3, "Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or 'endif'.")]
    [InlineData("a\n{% for x in y %}{% endif %}", 2, "Encountered unknown tag 'endif'.")]
    [InlineData("{% if a %}{% for x in y %}{% endif %}{% endfor %}", 1, "You probably made a nesting mistake.")]
    [InlineData("{{ a\n\n b }}", 3, "expected token 'end of print statement', got 'b'")]
    [InlineData("{{ (1, 2 }}", 1, "unexpected '}', expected ')'")]
    [InlineData("\n\n{{ 'a }}", 3, "unexpected char \"'\"")]
    [InlineData("{{ 1 | nope }}", 1, "No filter named 'nope'.")]
    [InlineData("{{ 1 is nope }}", 1, "No test named 'nope'.")]
    [InlineData("x\n{% include 'a' %}", 2, "the tag 'include' cannot be used in a chat template")]
    [InlineData("{% extends 'a' %}", 1, "the tag 'extends' cannot be used")]
    [InlineData("{% block a %}{% endblock %}", 1, "the tag 'block' cannot be used")]
    [InlineData("{% from 'a' import b %}", 1, "the tag 'from' cannot be used")]
    [InlineData("{# a", 1, "Missing end of comment tag")]
    [InlineData("{% raw %}", 1, "Missing end of raw directive")]
    [InlineData("{{ 'a' }} {{ \"\\ud800\" }}", 1, "unpaired surrogate")]
    [InlineData("{% break %}", 1, "'break' outside loop")]
    [InlineData("{{ x[1:2, 3] }}", 1, "a slice cannot stand beside other keys")]
    public void NameTemplateLineAndWhatWasExpected(string template, int line, string problem)
    {
        TemplateException e = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(template, "chat.jinja"));
        Assert.Equal(TemplateErrorKind.TemplateSyntaxError, e.Kind);
        Assert.Equal(line, e.Line);
        Assert.StartsWith($"TemplateSyntaxError: chat.jinja: line {line}: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ErrorsWhileRenderingKnowTheirLine()
    {
        TemplateException e = Assert.Throws<TemplateException>(() =>
            ChatTemplate.Parse("a\n{% if true %}\n{{ none + 1 }}{% endif %}", "t").Render(System.Text.Json.JsonDocument.Parse("{}").RootElement));
        Assert.Equal((TemplateErrorKind.TypeError, 3), (e.Kind, e.Line));
        Assert.Equal("TypeError: unsupported operand type(s) for +: 'NoneType' and 'int'", e.Message);
    }
}
