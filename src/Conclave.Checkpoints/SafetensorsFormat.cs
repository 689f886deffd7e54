using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Names of element types in safetensors headers: exactly the names of <see cref="ElementFormat"/>.</summary>
internal static class SafetensorsFormat
{
    private static readonly Dictionary<string, ElementFormat> Formats =
        Enum.GetValues<ElementFormat>().ToDictionary(format => format.ToString(), StringComparer.Ordinal);

    public static string Names => string.Join(", ", Formats.Keys);

    public static ElementFormat? Find(string name) => Formats.TryGetValue(name, out ElementFormat format) ? format : null;
}
