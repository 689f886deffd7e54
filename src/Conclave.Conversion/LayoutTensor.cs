namespace Conclave.Conversion;

/// <summary>A tensor of the released layout. <see cref="Columns"/> is 0 for a vector.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Role">What it does.</param>
/// <param name="Rows">Rows, or the length of a vector.</param>
/// <param name="Columns">Columns, or 0.</param>
/// <param name="ContentName">Tensors with the same content name hold the same values: repeated embeddings of MTP layers.</param>
internal sealed record LayoutTensor(string Name, TensorRole Role, nint Rows, nint Columns, string ContentName)
{
    public nint Elements => Rows * Math.Max(Columns, 1);

    /// <summary>How many products are summed for one output.</summary>
    public nint FanIn => Math.Max(Columns, 1);
}
