namespace Conclave.Conversion;

/// <summary>How far the writing of weights is.</summary>
/// <param name="Bytes">Bytes written.</param>
/// <param name="TotalBytes">Bytes to write.</param>
public readonly record struct SyntheticProgress(long Bytes, long TotalBytes);
