namespace Conclave.Text.Grammars;

/// <summary>References of JSON Schema, JSON pointers behind "#".</summary>
internal static class JsonPointer
{
    /// <summary>The keys that one names, from the root on.</summary>
    public static IEnumerable<string> Keys(string reference) => reference.Split('/').Skip(1)
        .Select(static part => Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal));
}
