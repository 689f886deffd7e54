namespace Conclave.Checkpoints;

/// <summary>How shapes read in messages.</summary>
internal static class TensorText
{
    public static string Shape(params ReadOnlySpan<nint> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
