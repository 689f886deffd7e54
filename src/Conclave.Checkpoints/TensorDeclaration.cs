using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>A tensor that is about to be written.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Format">How elements are stored.</param>
/// <param name="Shape">Its sides, slowest first; empty for a scalar.</param>
public sealed record TensorDeclaration(string Name, ElementFormat Format, params IReadOnlyList<nint> Shape)
{
    /// <summary>Bytes of all elements.</summary>
    /// <exception cref="OverflowException">They do not fit into 64 bits.</exception>
    public long Bytes
    {
        get
        {
            long bytes = Format.Size();
            foreach (nint side in Shape)
            {
                bytes = checked(bytes * side);
            }

            return bytes;
        }
    }
}
