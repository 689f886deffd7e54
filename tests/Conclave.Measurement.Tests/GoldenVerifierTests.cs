using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Conversion;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Measurement.Tests;

/// <summary>The weights of a single expert for each token are all alike: they have no deviation that errors could be measured by.</summary>
public sealed class GoldenVerifierTests
{
    private static readonly int[] Prompt = [5, 60, 7, 200, 31];

    [Theory]
    [InlineData(1e-6f, true)]
    [InlineData(1e-3f, false)]
    public void AlikeValuesAreMeasuredByTheirSize(float error, bool passes)
    {
        using TemporaryFolder folder = new();
        ModelConfig shape = ReleasedShapes.Find("fable", layers: 2, mtpLayers: 0) with { VocabularySize = 400, HiddenSize = 200, IntermediateSize = 300, RoutedExperts = 16, MoeIntermediateSize = 72, ExpertsPerToken = 1 };
        SyntheticCheckpoint.Write(shape, ElementFormat.F32, folder.File("model"));
        using Checkpoint checkpoint = Checkpoint.Open(folder.File("model"));
        using WorkerTeam team = new(1);

        List<PromptOutputs> outputs = [];
        WritePrompt(folder.File("prompt"));
        Verify(folder.File("prompt"), outputs);
        float[,] weights = outputs[0].Values.First(values => values.Key.EndsWith("router.weights", StringComparison.Ordinal)).Value;
        weights[3, 0] *= 1 + error;
        GoldenWriter.Write(folder.File("golden"), [Prompt], outputs);
        VerificationReport report = Verify(folder.File("golden"), null);
        Assert.Equal(passes, report.Passed);
        Assert.InRange(report.Errors.Max(errors => errors.MaxRelativeError), error / 2, error * 2);

        VerificationReport Verify(string path, List<PromptOutputs>? dump)
        {
            using GoldenFile golden = new(path, checkpoint.Config.VocabularySize);
            return GoldenVerifier.Run(checkpoint, golden, KernelSet.Best, team, dump);
        }
    }

    // With one token to continue it, whichever: a golden file has the greedy ones.
    private static void WritePrompt(string path)
    {
        long[] ids = [.. Prompt, 0];
        using SafetensorsWriter writer = new(
            path, [new TensorDeclaration("prompts.0.input_ids", ElementFormat.I64, Prompt.Length), new TensorDeclaration("prompts.0.greedy_ids", ElementFormat.I64, 1)]);
        writer.Append(MemoryMarshal.AsBytes(ids.AsSpan()));
        writer.Complete();
    }
}
