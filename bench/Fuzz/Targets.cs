using System.Text;
using System.Text.Json;
using Conclave.Primitives;
using Conclave.Testing;
using Conclave.Text;

namespace Conclave.Fuzz;

/// <summary>What can be fuzzed, by name.</summary>
internal static class Targets
{
    private static readonly TemplateLimits Small = new() { MaxSteps = 200_000, MaxLength = 1 << 20 };

    public static IReadOnlyList<FuzzTarget> All { get; } = [Template()];

    private static FuzzTarget Template()
    {
        JsonElement oracle = JsonDocument.Parse(File.ReadAllBytes(Repository.Data("chat", "jinja2.json"))).RootElement;
        JsonElement values = oracle.GetProperty("variables");
        JsonElement conversation = oracle.GetProperty("conversations")[9].GetProperty("variables");
        return new FuzzTarget(
            "template",
            () =>
            [
                .. oracle.GetProperty("cases").EnumerateArray().Select(item => Bytes(item.GetProperty("template"))),
                .. oracle.GetProperty("families").EnumerateObject().Select(item => Bytes(item.Value)),
                .. Directory.GetFiles(Repository.Data("chat"), "*.jinja").Select(File.ReadAllBytes),
            ],
            bytes =>
            {
                ChatTemplate template = ChatTemplate.Parse(Encoding.UTF8.GetString(bytes), "fuzz");
                RenderQuietly(template, values);
                RenderQuietly(template, conversation);
            });
    }

    private static void RenderQuietly(ChatTemplate template, JsonElement variables)
    {
        try
        {
            _ = template.Render(variables, Small);
        }
        catch (Exception e) when (IsExpected(e))
        {
            // The second rendering is to be tried too.
        }
    }

    /// <summary>The exceptions that are answers, not findings.</summary>
    public static bool IsExpected(Exception e) => e is UserErrorException or TemplateException;

    private static byte[] Bytes(JsonElement text) => Encoding.UTF8.GetBytes(text.GetString()!);
}
