using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Conversion;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Measurement.Tests;

/// <summary>What of a golden file is compared, and by which measure.</summary>
public sealed class GoldenVerifierTests
{
    private static readonly int[] Prompt = [5, 60, 7, 200, 31];

    /// <summary>The weights of a single expert for each token are all alike: they have no deviation that errors could be measured by.</summary>
    [Theory]
    [InlineData(1e-6f, true)]
    [InlineData(1e-3f, false)]
    public void AlikeValuesAreMeasuredByTheirSize(float error, bool passes)
    {
        using TemporaryFolder folder = new();
        using Checkpoint checkpoint = Synthetic(folder.File("model"));
        WritePrompt(folder.File("prompt"), "greedy_ids");
        List<PromptOutputs> outputs = Outputs(checkpoint, folder.File("prompt"));
        float[,] weights = outputs[0].Values.First(values => values.Key.EndsWith("router.weights", StringComparison.Ordinal)).Value;
        weights[3, 0] *= 1 + error;
        GoldenWriter.Write(folder.File("golden"), [Prompt], outputs);
        VerificationReport report = Verify(checkpoint, folder.File("golden"));
        Assert.Equal(passes, report.Passed);

        // Of the weights alone: other tensors differ from run to run by roundings, on AVX2 by more than the smaller error.
        double[] ofWeights = [.. report.Errors.Where(errors => errors.Kind == "layers.*.router.weights").Select(errors => errors.MaxRelativeError)];
        Assert.Equal(PromptRun.All.Count, ofWeights.Length);
        Assert.All(ofWeights, measured => Assert.InRange(measured, error / 2, error * 2));
    }

    [Fact]
    public void WhatWasComputedAgreesWithItselfAlsoWithoutGreedyTokensAndExperts()
    {
        using TemporaryFolder folder = new();
        using Checkpoint checkpoint = Synthetic(folder.File("model"));
        WritePrompt(folder.File("prompt"), "greedy_ids");
        List<PromptOutputs> outputs = Outputs(checkpoint, folder.File("prompt"));
        outputs[0].Greedy.Clear();
        outputs[0].Indices.Clear();
        GoldenWriter.Write(folder.File("golden"), [Prompt], outputs);
        VerificationReport report = Verify(checkpoint, folder.File("golden"));
        Assert.True(report.Passed);
        foreach (string run in PromptRun.All.Select(run => run.Name))
        {
            Assert.Equal(
                [("embedding", 1), ("final_norm", 1), ("layers.*.output", 2), ("layers.*.router.weights", 1), ("logits", 1)],
                report.Errors.Where(errors => errors.Run == run).Select(errors => (errors.Kind, errors.Tensors)).OrderBy(kind => kind.Kind, StringComparer.Ordinal));
        }

        // Weights are not passed over where the experts beside them are missing.
        outputs[0].Values.First(values => values.Key.EndsWith("router.weights", StringComparison.Ordinal)).Value[3, 0] *= 2;
        GoldenWriter.Write(folder.File("golden"), [Prompt], outputs);
        Assert.False(Verify(checkpoint, folder.File("golden")).Passed);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NothingIsNearAGoldenValueThatIsNoNumber(float value)
    {
        using TemporaryFolder folder = new();
        using Checkpoint checkpoint = Synthetic(folder.File("model"));
        WritePrompt(folder.File("prompt"), "greedy_ids");
        List<PromptOutputs> outputs = Outputs(checkpoint, folder.File("prompt"));
        outputs[0].Values["final_norm"][2, 7] = value;
        GoldenWriter.Write(folder.File("golden"), [Prompt], outputs);
        VerificationReport report = Verify(checkpoint, folder.File("golden"));
        Assert.False(report.Passed);
        Assert.All(
            report.Errors.Where(errors => errors.Kind == "final_norm"),
            errors => Assert.Equal((double.PositiveInfinity, "prompts.0.final_norm"), (errors.MaxRelativeError, errors.Worst)));
    }

    [Theory]
    [InlineData("layers.2.output")]
    [InlineData("mtp.logits")]
    [InlineData("attention")]
    public void ATensorThatTheModelDoesNotGiveIsRefusedByName(string name)
    {
        using TemporaryFolder folder = new();
        using Checkpoint checkpoint = Synthetic(folder.File("model"));
        WritePrompt(folder.File("golden"), name);
        UserErrorException e = Assert.Throws<UserErrorException>(() => Verify(checkpoint, folder.File("golden")));
        Assert.StartsWith($"{folder.File("golden")}: tensor \"prompts.0.{name}\" cannot be compared", e.Message, StringComparison.Ordinal);
        Assert.Contains("embedding, final_norm, layers.*.output, layers.*.router.weights, logits, layers.*.router.indices", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileWithNothingButPromptsDoesNotPass()
    {
        using TemporaryFolder folder = new();
        using Checkpoint checkpoint = Synthetic(folder.File("model"));
        WritePrompt(folder.File("golden"));
        UserErrorException e = Assert.Throws<UserErrorException>(() => Verify(checkpoint, folder.File("golden")));
        Assert.StartsWith($"{folder.File("golden")}: there is nothing to compare", e.Message, StringComparison.Ordinal);
        Assert.False(new VerificationReport("reference", 1, [], [new EqualityCount("experts", "one chunk")]).Passed);
    }

    [Theory]
    [InlineData("logits")]
    [InlineData("prompts.2.logits")]
    [InlineData("prompts.00.logits")]
    public void ATensorOfNoPromptIsRefusedAndTheFileClosed(string name)
    {
        using TemporaryFolder folder = new();
        Write(folder.File("golden"), "prompts.0.input_ids", name);
        UserErrorException e = Assert.Throws<UserErrorException>(() => new GoldenFile(folder.File("golden"), 400));
        Assert.StartsWith($"{folder.File("golden")}: tensor \"{name}\" belongs to no prompt", e.Message, StringComparison.Ordinal);
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mappings are read from /proc");
        Assert.DoesNotContain(folder.File("golden"), File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    private static Checkpoint Synthetic(string path)
    {
        ModelConfig shape = ReleasedShapes.Find("fable", layers: 2, mtpLayers: 0) with { VocabularySize = 400, HiddenSize = 200, IntermediateSize = 300, RoutedExperts = 16, MoeIntermediateSize = 72, ExpertsPerToken = 1 };
        SyntheticCheckpoint.Write(shape, ElementFormat.F32, path);
        return Checkpoint.Open(path);
    }

    private static List<PromptOutputs> Outputs(Checkpoint checkpoint, string path)
    {
        List<PromptOutputs> outputs = [];
        Verify(checkpoint, path, outputs);
        return outputs;
    }

    private static VerificationReport Verify(Checkpoint checkpoint, string path, List<PromptOutputs>? dump = null)
    {
        using GoldenFile golden = new(path, checkpoint.Config.VocabularySize);
        using WorkerTeam team = new(1);
        return GoldenVerifier.Run(checkpoint, golden, KernelSet.Best, team, dump);
    }

    private static void WritePrompt(string path, params string[] others) =>
        Write(path, ["prompts.0.input_ids", .. others.Select(name => $"prompts.0.{name}")]);

    // The prompt in each tensor, whichever it is: as a continuation it is not the greedy one.
    private static void Write(string path, params string[] names)
    {
        using SafetensorsWriter writer = new(path, [.. names.Select(name => new TensorDeclaration(name, ElementFormat.I64, Prompt.Length))]);
        foreach (string _ in names)
        {
            writer.Append(MemoryMarshal.AsBytes(Array.ConvertAll(Prompt, id => (long)id).AsSpan()));
        }

        writer.Complete();
    }
}
