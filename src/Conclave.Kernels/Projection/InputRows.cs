namespace Conclave.Kernels;

/// <summary>Activations: row i begins at <paramref name="Data"/> + (Sources is null ? i : Sources[i]) · <paramref name="Stride"/>.</summary>
/// <param name="Data">The first row.</param>
/// <param name="Stride">Elements from one row to the next.</param>
/// <param name="Sources">Which rows, or null for all in order.</param>
internal readonly unsafe record struct InputRows(nint Data, nint Stride, nint Sources = 0)
{
    /// <summary>Address of row i.</summary>
    public float* Row(nint i) => (float*)Data + ((Sources == 0 ? i : ((int*)Sources)[i]) * Stride);

    /// <summary>The rows from i on.</summary>
    public InputRows From(nint i) =>
        Sources == 0 ? this with { Data = Data + (i * Stride * sizeof(float)) } : this with { Sources = Sources + (i * sizeof(int)) };
}
