using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Conversion.Tests;

public sealed class SyntheticCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static ModelConfig Tiny { get; } = ReleasedShapes.Find("fable", layers: 2, mtpLayers: 1) with
    {
        VocabularySize = 400, HiddenSize = 200, IntermediateSize = 300, RoutedExperts = 16, MoeIntermediateSize = 72,
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(ElementFormat.F8_E4M3)]
    [InlineData(ElementFormat.BF16)]
    [InlineData(ElementFormat.F32)]
    public void EveryTensorOpensAsItsReleaseHasIt(ElementFormat format)
    {
        SyntheticSummary summary = SyntheticCheckpoint.Write(Tiny, format, _folder.Path, seed: 0, shardBytes: 1_000_000);
        Assert.True(summary.Files.Count > 1);
        Assert.All(summary.Files, file => Assert.Matches(@"^model-000\d\d-of-000\d\d\.safetensors$", file));

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(summary.Bytes, checkpoint.Files.Sum(file => file.Length));
        Assert.All(checkpoint.Files, file => Assert.True(file.Length < 1_100_000));
        Assert.Equal(format == ElementFormat.F8_E4M3 ? (128, 128) : null, checkpoint.Config.ScaleBlock);
        CheckpointProblems problems = new(_folder.Path);
        ElementFormat unquantized = format == ElementFormat.F8_E4M3 ? ElementFormat.BF16 : format;
        long parameters = 0;
        foreach (StoredTensor tensor in checkpoint.Tensors.Where(tensor => !tensor.Name.EndsWith("_scale_inv", StringComparison.Ordinal)))
        {
            bool isProjection = tensor.Name.Contains("_proj", StringComparison.Ordinal) && !tensor.Name.Contains("eh_proj", StringComparison.Ordinal);
            bool isBias = tensor.Name.EndsWith("e_score_correction_bias", StringComparison.Ordinal);
            Assert.Equal(isProjection ? format : isBias ? ElementFormat.F32 : unquantized, tensor.Format);
            TensorView view = tensor.Shape.Length == 1
                ? checkpoint.Vector(tensor.Name, tensor.Shape[0], problems)
                : checkpoint.WeightMatrix(tensor.Name, tensor.Shape[0], tensor.Shape[1], problems);
            Assert.Equal(tensor.Format == ElementFormat.F8_E4M3, view.Scales.IsPresent);
            parameters += view.Rows * view.Columns;
        }

        problems.ThrowIfAny();
        Assert.Equal(summary.Parameters, parameters);
    }

    [Fact]
    public void NamesAndShapesAreThoseOfARelease()
    {
        ModelConfig config = ModelConfig.Read(Repository.Data("v3-mtp-fp8"));
        SyntheticCheckpoint.Write(config, ElementFormat.F8_E4M3, _folder.Path);
        using Checkpoint synthetic = Checkpoint.Open(_folder.Path);
        using Checkpoint released = Checkpoint.Open(Repository.Data("v3-mtp-fp8"));
        Assert.Equal(Layout(released), Layout(synthetic));
        Assert.Equivalent(released.Config, synthetic.Config, strict: true);

        static IEnumerable<string> Layout(Checkpoint checkpoint) =>
            checkpoint.Tensors.Select(tensor => $"{tensor.Name} {tensor.Format} {tensor.ShapeText}").Order(StringComparer.Ordinal);
    }

    [Fact]
    public void WithoutLowRankQueriesTheLayoutIsThatOfTheRelease()
    {
        ModelConfig config = ModelConfig.Read(Repository.Data("v2-greedy-bf16"));
        SyntheticCheckpoint.Write(config, ElementFormat.BF16, _folder.Path);
        Assert.True(File.Exists(_folder.File("model.safetensors")));
        using Checkpoint synthetic = Checkpoint.Open(_folder.Path);
        using Checkpoint released = Checkpoint.Open(Repository.Data("v2-greedy-bf16"));
        Assert.Equal(Names(released), Names(synthetic));
        Assert.Equivalent(released.Config, synthetic.Config, strict: true);

        static IEnumerable<string> Names(Checkpoint checkpoint) => checkpoint.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal);
    }

    [Fact]
    public unsafe void ContentDependsOnSeedAndNameOnly()
    {
        SyntheticCheckpoint.Write(Tiny, ElementFormat.F8_E4M3, _folder.File("a"), seed: 7);
        SyntheticCheckpoint.Write(Tiny, ElementFormat.F8_E4M3, _folder.File("b"), seed: 7, shardBytes: 300_000);
        SyntheticCheckpoint.Write(Tiny, ElementFormat.F8_E4M3, _folder.File("c"), seed: 8);
        using Checkpoint a = Checkpoint.Open(_folder.File("a"));
        using Checkpoint b = Checkpoint.Open(_folder.File("b"));
        using Checkpoint c = Checkpoint.Open(_folder.File("c"));
        foreach (string name in a.Tensors.Select(tensor => tensor.Name))
        {
            Assert.True(Bytes(a, name).SequenceEqual(Bytes(b, name)), name);
            Assert.False(Bytes(a, name).SequenceEqual(Bytes(c, name)), name);
        }

        Assert.True(Bytes(a, "model.embed_tokens.weight").SequenceEqual(Bytes(a, "model.layers.2.embed_tokens.weight")));
        Assert.True(Bytes(a, "lm_head.weight").SequenceEqual(Bytes(a, "model.layers.2.shared_head.head.weight")));
        Assert.False(Bytes(a, "model.layers.0.mlp.up_proj.weight").SequenceEqual(Bytes(a, "model.layers.0.mlp.gate_proj.weight")));

        static ReadOnlySpan<byte> Bytes(Checkpoint checkpoint, string name) =>
            new(checkpoint.Get(name).Data, (int)checkpoint.Get(name).Bytes);
    }

    [Fact]
    public unsafe void ProjectionsKeepTheSizeOfWhatTheyMultiply()
    {
        SyntheticCheckpoint.Write(Tiny, ElementFormat.F8_E4M3, _folder.Path);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        TensorView view = checkpoint.WeightMatrix("model.layers.0.mlp.down_proj.weight", 200, 300);
        double sum = 0;
        double squares = 0;
        for (nint row = 0; row < view.Rows; row++)
        {
            for (nint column = 0; column < view.Columns; column++)
            {
                double weight = E4M3.Decode(view.RowPointer(row)[column]) * view.Scales.Row(row)[column / 128];
                sum += weight;
                squares += weight * weight;
            }
        }

        double count = view.Rows * view.Columns;
        Assert.InRange(Math.Sqrt(squares / count) * Math.Sqrt(300), 0.8, 1.25);
        Assert.InRange(Math.Abs(sum / count) * Math.Sqrt(300), 0, 0.02);

        TensorView norm = checkpoint.Vector("model.norm.weight", 200);
        double mean = Enumerable.Range(0, 200).Average(i => BFloat16.Decode(((ushort*)norm.Data)[i]));
        Assert.InRange(mean, 0.99, 1.01);
    }

    [Fact]
    public void TheTokenizerHasATextForEveryId()
    {
        SyntheticCheckpoint.Write(Tiny, ElementFormat.BF16, _folder.Path);
        using JsonDocument json = JsonDocument.Parse(
            File.ReadAllBytes(_folder.File("tokenizer.json")), new JsonDocumentOptions { AllowDuplicateProperties = false });
        List<int> ids = [.. json.RootElement.GetProperty("model").GetProperty("vocab").EnumerateObject().Select(token => token.Value.GetInt32())];
        ids.AddRange(json.RootElement.GetProperty("added_tokens").EnumerateArray().Select(token => token.GetProperty("id").GetInt32()));
        Assert.Equal(Enumerable.Range(0, 400), ids.Order());
        Assert.Equal([1], GenerationConfig.Read(_folder.Path).EosTokens);
        IReadOnlyDictionary<string, string> special = TokenizerConfig.Read(_folder.Path).SpecialTokens;
        Assert.Equal(("<|begin|>", "<|end|>"), (special["bos_token"], special["eos_token"]));
    }

    [Fact]
    public void AFolderThatHoldsACheckpointIsLeftAlone()
    {
        SyntheticCheckpoint.Write(Tiny, ElementFormat.BF16, _folder.Path);
        byte[] before = File.ReadAllBytes(_folder.File("model.safetensors"));
        string message = Assert.Throws<UserErrorException>(() => SyntheticCheckpoint.Write(Tiny, ElementFormat.F32, _folder.Path)).Message;
        Assert.Contains(_folder.Path, message);
        Assert.Contains("is there already", message);
        Assert.Equal(before, File.ReadAllBytes(_folder.File("model.safetensors")));
    }

    [Fact]
    public void ADiskThatIsTooSmallIsNoticedBeforeAnythingIsWritten()
    {
        // 1,000 layers of 16 times as many experts: 10^15 bytes are on no disk that runs tests.
        ModelConfig config = ReleasedShapes.Find("deepseek-v3") with { MoeIntermediateSize = 1 << 20, VocabularySize = 1 << 22 };
        string message = Assert.Throws<UserErrorException>(() => SyntheticCheckpoint.Write(config, ElementFormat.F32, _folder.Path)).Message;
        Assert.Contains("bytes (", message);
        Assert.Contains("are free", message);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void CancellingLeavesNoPartialFile()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => SyntheticCheckpoint.Write(Tiny, ElementFormat.BF16, _folder.Path, cancellation: source.Token));
        Assert.Empty(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void ProgressEndsWithEverything()
    {
        Last last = new();
        SyntheticSummary summary = SyntheticCheckpoint.Write(Tiny, ElementFormat.BF16, _folder.Path, progress: last);
        Assert.Equal(summary.Bytes, last.Value.TotalBytes);
        Assert.InRange(last.Value.Bytes, summary.Bytes * 9 / 10, summary.Bytes);
    }

    private sealed class Last : IProgress<SyntheticProgress>
    {
        public SyntheticProgress Value { get; private set; }

        public void Report(SyntheticProgress value) => Value = value;
    }
}
