using Conclave.Primitives;

namespace Conclave.Checkpoints.Tests;

/// <summary>The checkpoints of this repository open, and every tensor has the shape and scales that its configuration asks for.</summary>
public class ReleasedLayoutTests
{
    public static TheoryData<string> Directories => [.. TestModels.All];

    [Theory]
    [MemberData(nameof(Directories))]
    public void EveryTensorCanBeAskedForByItsShape(string directory)
    {
        using Checkpoint checkpoint = Checkpoint.Open(directory);
        CheckpointProblems problems = new(directory);
        foreach (StoredTensor tensor in checkpoint.Tensors)
        {
            if (tensor.Name.EndsWith("scale_inv", StringComparison.Ordinal))
            {
                continue;
            }

            TensorView view = tensor.Shape.Length == 1
                ? checkpoint.Vector(tensor.Name, tensor.Shape[0], problems)
                : checkpoint.WeightMatrix(tensor.Name, tensor.Shape[0], tensor.Shape[1], problems);
            Assert.Equal(tensor.Format == ElementFormat.F8_E4M3, view.Scales.IsPresent);
            Assert.Equal(tensor.Bytes, view.ByteLength);
        }

        problems.ThrowIfAny();
        Assert.Equal(
            [checkpoint.Config.VocabularySize, checkpoint.Config.HiddenSize],
            checkpoint.Get("model.embed_tokens.weight").Shape.ToArray().Select(side => (int)side));
    }
}
