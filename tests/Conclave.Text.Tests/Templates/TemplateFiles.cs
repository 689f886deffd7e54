using System.Text.Json;
using Conclave.Testing;

namespace Conclave.Text.Tests.Templates;

/// <summary>Renders templates and compares with what a reference wrote into tests/data/chat.</summary>
internal static class TemplateFiles
{
    // Every test of a rendering checks the limits too: they must not get in the way.
    public static readonly TimeProvider Clock = new FixedClock(new DateTimeOffset(2024, 7, 9, 5, 4, 3, TimeSpan.Zero));

    public static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllBytes(Repository.Data("chat", name))).RootElement;

    /// <summary>The text, or the error as the files have it: syntax errors by their kind, others with the message.</summary>
    public static string Render(string template, JsonElement variables)
    {
        try
        {
            return "text: " + ChatTemplate.Parse(template, "test").Render(variables, clock: Clock);
        }
        catch (TemplateException e)
        {
            return "error: " + (e.Kind == TemplateErrorKind.TemplateSyntaxError ? "TemplateSyntaxError" : e.Message);
        }
    }

    public static string Expected(JsonElement item) => item.TryGetProperty("expected", out JsonElement text)
        ? "text: " + text.GetString()
        : "error: " + item.GetProperty("error").GetString();

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
