using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>A tensor of random values: where its bytes come from, any part of them alone.</summary>
internal sealed class SyntheticTensor(TensorDeclaration declaration, ulong key, GaussianTable table)
{
    public TensorDeclaration Declaration { get; } = declaration;

    public void Fill(Span<byte> destination, long offset) => table.Fill(destination, key, offset / Declaration.Format.Size());
}
