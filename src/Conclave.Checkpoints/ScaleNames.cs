namespace Conclave.Checkpoints;

/// <summary>What the scales of a quantized tensor are called: DeepSeek's name and everyone else's. Both are what codes are multiplied by.</summary>
public static class ScaleNames
{
    private static readonly string[] Suffixes = ["_scale_inv", "_scale"];

    /// <summary>The name of a tensor whose scales these are; null where the name is not one of scales.</summary>
    public static string? TensorOf(string name) =>
        Array.Find(Suffixes, suffix => name.EndsWith(suffix, StringComparison.Ordinal)) is { } found ? name[..^found.Length] : null;

    /// <summary>The name of a tensor's scales: the first that <paramref name="exists"/>, or else DeepSeek's.</summary>
    internal static string Of(string tensor, Predicate<string> exists) => tensor + (Array.Find(Suffixes, suffix => exists(tensor + suffix)) ?? Suffixes[0]);
}
