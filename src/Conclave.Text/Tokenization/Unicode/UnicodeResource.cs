using System.Reflection;

namespace Conclave.Text.Unicode;

/// <summary>The Unicode tables that scripts/ generates and this assembly carries.</summary>
internal static class UnicodeResource
{
    public static IEnumerable<string> Lines(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Unicode/{name}")!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            if (!line.StartsWith('#'))
            {
                yield return line;
            }
        }
    }
}
