using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FilesAreReportedAsTheyOpen()
    {
        Counter counter = new();
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Data("v3-mtp-fp8"), counter);
        Assert.Equal(2, checkpoint.Files.Count);
        Assert.Equal([new CheckpointProgress(1, 2), new CheckpointProgress(2, 2)], counter.Seen.OrderBy(seen => seen.FilesOpened));
    }

    /// <summary>Whoever is told throws: no file stays mapped that nobody could free.</summary>
    [Fact]
    public void NothingStaysMappedWhereOpeningFails()
    {
        foreach (string file in Directory.GetFiles(Repository.Data("v3-mtp-fp8")))
        {
            File.Copy(file, _folder.File(Path.GetFileName(file)));
        }

        Thrower progress = new();
        AggregateException error = Assert.Throws<AggregateException>(() => Checkpoint.Open(_folder.Path, progress));
        Assert.All(error.InnerExceptions, inner => Assert.IsType<TimeoutException>(inner));
        Assert.DoesNotContain(_folder.Path, File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingFolderIsNamed() => Assert.Contains("no such folder", OpenError(_folder.File("nothing")));

    [Fact]
    public void AFolderWithoutWeightsIsRefused()
    {
        WriteConfig(scaled: false);
        Assert.Contains("neither model.safetensors nor model.safetensors.index.json", OpenError());
    }

    [Fact]
    public void AMissingShardIsListed()
    {
        WriteConfig(scaled: false);
        WriteIndex(("a", "model-00001-of-00002.safetensors"), ("b", "model-00002-of-00002.safetensors"));
        WriteTensors("model-00001-of-00002.safetensors", new TensorDeclaration("a", ElementFormat.F32, 1));
        string message = OpenError();
        Assert.Contains("model.safetensors.index.json: 1 of 2 files are missing: model-00002-of-00002.safetensors", message);
    }

    [Fact]
    public void ATensorThatIsNotInItsShardIsListed()
    {
        WriteConfig(scaled: false);
        WriteIndex(("a", "x.safetensors"), ("b", "x.safetensors"));
        WriteTensors("x.safetensors", new TensorDeclaration("a", ElementFormat.F32, 1));
        Assert.Contains("tensor \"b\" is not in x.safetensors", OpenError());
    }

    [Theory]
    [InlineData("../x.safetensors")]
    [InlineData("/etc/x.safetensors")]
    [InlineData("a/x.safetensors")]
    [InlineData("a\\x.safetensors")]
    [InlineData("C:x.safetensors")]
    [InlineData("x\u0000.safetensors")]
    [InlineData(".safetensors")]
    [InlineData("x.bin")]
    [InlineData("")]
    public void AnIndexMayOnlyNameItsNeighbours(string name)
    {
        WriteConfig(scaled: false);
        WriteIndex(("a", name));
        string message = OpenError();
        Assert.Contains("model.safetensors.index.json: $.weight_map.a", message);
        Assert.Contains("same folder", message);
    }

    [Theory]
    [InlineData("{}", "\"weight_map\" is missing")]
    [InlineData("{\"weight_map\": {}}", "it is empty")]
    [InlineData("{\"weight_map\": [1]}", "an object is expected")]
    [InlineData("{\"weight_map\": {\"a\": 1}}", "$.weight_map.a: 1; a string is expected")]
    public void AWrongIndexIsRefused(string index, string problem)
    {
        WriteConfig(scaled: false);
        _folder.Write("model.safetensors.index.json", index);
        Assert.Contains(problem, OpenError());
    }

    [Fact]
    public void ATruncatedShardEndsTheOpening()
    {
        WriteConfig(scaled: false);
        WriteIndex(("a", "x.safetensors"), ("b", "y.safetensors"));
        WriteTensors("x.safetensors", new TensorDeclaration("a", ElementFormat.F32, 1));
        WriteTensors("y.safetensors", new TensorDeclaration("b", ElementFormat.F32, 16));
        string path = _folder.File("y.safetensors");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^4]);
        string message = OpenError();
        Assert.StartsWith(path, message);
        Assert.Contains("[0,64] leaves the file, which has 60 bytes of data", message);
    }

    [Fact]
    public void WrongTensorsAreListedTogetherAndOnlyTwenty()
    {
        WriteConfig(scaled: false);
        WriteTensors(
            "model.safetensors",
            new TensorDeclaration("matrix.weight", ElementFormat.BF16, 4, 6),
            new TensorDeclaration("integers.weight", ElementFormat.I32, 2, 2),
            new TensorDeclaration("norm.weight", ElementFormat.F8_E4M3, 4));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        CheckpointProblems problems = new(_folder.Path);
        Assert.Equal(4, checkpoint.WeightMatrix("matrix.weight", 4, 6, problems).Rows);
        checkpoint.WeightMatrix("matrix.weight", 6, 4, problems);
        checkpoint.WeightMatrix("integers.weight", 2, 2, problems);
        checkpoint.Vector("norm.weight", 4, problems);
        for (int i = 0; i < 30; i++)
        {
            checkpoint.Vector($"missing.{i}", 4, problems);
        }

        string message = Assert.Throws<UserErrorException>(problems.ThrowIfAny).Message;
        Assert.StartsWith($"{_folder.Path}: 33 problems", message);
        Assert.Contains("tensor \"matrix.weight\" of model.safetensors has shape [4, 6]; [6, 4] is expected", message);
        Assert.Contains("tensor \"integers.weight\" of model.safetensors is I32; F32, F16, BF16 or F8_E4M3 is expected", message);
        Assert.Contains("tensor \"norm.weight\" of model.safetensors is F8_E4M3; F32, F16 or BF16 is expected", message);
        Assert.Contains("tensor \"missing.16\" is missing; shape [4] is expected", message);
        Assert.DoesNotContain("missing.17", message);
        Assert.EndsWith("… and 13 more", message);
    }

    [Fact]
    public void EachProblemIsALineOfTheMessageWhateverItsTextHolds()
    {
        CheckpointProblems problems = new("folder");
        problems.Add("tensor \"a\nb\" is missing");
        problems.Add("tensor \"c\" is missing");
        Assert.Equal(
            ["folder: 2 problems with its tensors:", "  tensor \"a\nb\" is missing", "  tensor \"c\" is missing"],
            Assert.Throws<UserErrorException>(problems.ThrowIfAny).Lines);
    }

    [Fact]
    public unsafe void ScalesAreAttachedWithPartialBlocks()
    {
        using Checkpoint checkpoint = OpenScaled([0.5f, 1, 2, 4]);
        TensorView view = checkpoint.WeightMatrix("a.weight", 3, 5);
        Assert.Equal((ElementFormat.F8_E4M3, true, 2, 2, 4), (view.Format, view.Scales.IsPresent, (int)view.Scales.Columns,
            view.Scales.BlockRows, view.Scales.BlockColumns));
        Assert.Equal((0.5f, 1f, 2f, 4f), (view.Scales.Row(0)[0], view.Scales.Row(1)[1], view.Scales.Row(2)[0], view.Scales.Row(2)[1]));
    }

    [Fact]
    public unsafe void MatricesOfOneTensorHaveScalesOfTheirOwn()
    {
        WriteConfig(scaled: true);
        WriteTensors(
            "model.safetensors",
            new TensorDeclaration("a_scale_inv", ElementFormat.F32, 3, 2, 2),
            new TensorDeclaration("a", ElementFormat.F8_E4M3, 3, 4, 5),
            new TensorDeclaration("odd_scale_inv", ElementFormat.F32, 3, 2, 2),
            new TensorDeclaration("odd", ElementFormat.F8_E4M3, 3, 3, 5));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        foreach ((string name, int rows) in new[] { ("a", 4), ("odd", 3) })
        {
            TensorView[] views = checkpoint.WeightMatrices(name, 3, rows, 5);
            Assert.Equal(3, views.Length);
            Assert.Equal((rows, 5), (views[2].Rows, views[2].Columns));
            Assert.Equal((nint)checkpoint.Get(name).Data + (2 * rows * 5), (nint)views[2].RowPointer(0));

            // Two rows of two scales for each.
            Assert.Equal((nint)checkpoint.Get($"{name}_scale_inv").Data + (((2 * 4) + 2) * sizeof(float)), (nint)views[2].Scales.Row(2));
        }

        Assert.Contains("tensor \"a\" of model.safetensors has shape [3, 4, 5]; [4, 3, 5] is expected", Assert.Throws<UserErrorException>(() => checkpoint.WeightMatrices("a", 4, 3, 5)).Message);
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(-0.25f, "-0.25")]
    [InlineData(float.PositiveInfinity, "Infinity")]
    public void AWrongScaleIsNamedWithItsPlace(float scale, string text)
    {
        using Checkpoint checkpoint = OpenScaled([1, 1, scale, 1]);
        string message = Assert.Throws<UserErrorException>(() => checkpoint.WeightMatrix("a.weight", 3, 5)).Message;
        Assert.Contains($"tensor \"a.weight_scale_inv\" of model.safetensors holds {text} at [1, 0]", message);
    }

    [Fact]
    public void MissingAndMisshapenScalesAreNamed()
    {
        WriteConfig(scaled: true);
        WriteTensors(
            "model.safetensors",
            new TensorDeclaration("a.weight", ElementFormat.F8_E4M3, 3, 5),
            new TensorDeclaration("b.weight", ElementFormat.F8_E4M3, 3, 5),
            new TensorDeclaration("b.weight_scale_inv", ElementFormat.F32, 2, 1),
            new TensorDeclaration("c.weight", ElementFormat.F8_E4M3, 3, 5),
            new TensorDeclaration("c.weight_scale_inv", ElementFormat.F64, 2, 2),
            new TensorDeclaration("d.weight", ElementFormat.BF16, 3, 5),
            new TensorDeclaration("d.weight_scale_inv", ElementFormat.F32, 2, 2));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        CheckpointProblems problems = new(_folder.Path);
        foreach (string name in (string[])["a.weight", "b.weight", "c.weight", "d.weight"])
        {
            checkpoint.WeightMatrix(name, 3, 5, problems);
        }

        string message = Assert.Throws<UserErrorException>(problems.ThrowIfAny).Message;
        Assert.Contains("tensor \"a.weight_scale_inv\" is missing; shape [2, 2] is expected", message);
        Assert.Contains("tensor \"b.weight_scale_inv\" of model.safetensors has shape [2, 1]; [2, 2] is expected", message);
        Assert.Contains("tensor \"c.weight_scale_inv\" of model.safetensors is F64; F32, F16, BF16 or F8_E8M0 is expected", message);
        Assert.Contains("tensor \"d.weight\" of model.safetensors is BF16 but has scales", message);
    }

    [Fact]
    public void WithoutAQuantizationConfigCodesAreValuesAndScalesAreRefused()
    {
        WriteConfig(scaled: false);
        WriteTensors(
            "model.safetensors",
            new TensorDeclaration("a.weight", ElementFormat.F8_E4M3, 3, 5),
            new TensorDeclaration("b.weight", ElementFormat.F8_E4M3, 3, 5),
            new TensorDeclaration("b.weight_scale_inv", ElementFormat.F32, 2, 2));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.False(checkpoint.WeightMatrix("a.weight", 3, 5).Scales.IsPresent);
        Assert.Contains(
            "no quantization_config", Assert.Throws<UserErrorException>(() => checkpoint.WeightMatrix("b.weight", 3, 5)).Message);
    }

    // 0.5, 1, 1.5 and 2; powers of two where there is nothing else, the smallest among them.
    [Theory]
    [InlineData(ElementFormat.F16, "0038 003c 003e 0040", 1.5f)]
    [InlineData(ElementFormat.BF16, "003f 803f c03f 0040", 1.5f)]
    [InlineData(ElementFormat.F8_E8M0, "7e 7f 00 80", 5.877472e-39f)]
    public unsafe void ScalesOfOtherFormatsAreWidenedOnce(ElementFormat format, string bytes, float third)
    {
        using Checkpoint checkpoint = OpenScaled(format, Convert.FromHexString(bytes.Replace(" ", "", StringComparison.Ordinal)));
        BlockScales scales = checkpoint.WeightMatrix("a.weight", 3, 5).Scales;
        Assert.Equal([0.5f, 1f, third, 2f], new ReadOnlySpan<float>(scales.Data, 4));
        Assert.True(scales.Data == checkpoint.WeightMatrix("a.weight", 3, 5).Scales.Data);
    }

    [Fact]
    public void ScalesOfOtherFormatsAreCheckedToo()
    {
        using Checkpoint checkpoint = OpenScaled(ElementFormat.F8_E8M0, [127, 127, 127, 255]);
        Assert.Contains("holds NaN at [1, 1]", Assert.Throws<UserErrorException>(() => checkpoint.WeightMatrix("a.weight", 3, 5)).Message);
    }

    private Checkpoint OpenScaled(float[] scales) => OpenScaled(ElementFormat.F32, MemoryMarshal.AsBytes(scales.AsSpan()));

    private Checkpoint OpenScaled(ElementFormat format, ReadOnlySpan<byte> scales)
    {
        WriteConfig(scaled: true);
        using (SafetensorsWriter writer = new(
            _folder.File("model.safetensors"),
            [new TensorDeclaration("a.weight_scale_inv", format, 2, 2), new TensorDeclaration("a.weight", ElementFormat.F8_E4M3, 3, 5)]))
        {
            writer.Append(scales);
            writer.Append(new byte[15]);
            writer.Complete();
        }

        return Checkpoint.Open(_folder.Path);
    }

    [Fact]
    public void OfAModelForImagesTheLanguageModelIsRead()
    {
        JsonObject json = new() { ["model_type"] = "kimi_vl", ["text_config"] = ReleasedConfigs.Released("Moonlight") };
        _folder.Write("config.json", json.ToJsonString());
        WriteTensors(
            "model.safetensors",
            new TensorDeclaration("language_model.model.norm.weight", ElementFormat.F32, 4), new TensorDeclaration("vision_tower.model.norm.weight", ElementFormat.F32, 8));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal("model.norm.weight", Assert.Single(checkpoint.Tensors).Name);
        Assert.Equal(4, checkpoint.Vector("model.norm.weight", 4).Columns);
    }

    private void WriteConfig(bool scaled)
    {
        JsonObject json = ReleasedConfigs.Released("DeepSeek-V3");
        json.Remove("quantization_config");
        if (scaled)
        {
            json["quantization_config"] = JsonNode.Parse("{\"quant_method\": \"fp8\", \"weight_block_size\": [2, 4]}");
        }

        _folder.Write("config.json", json.ToJsonString());
    }

    private void WriteIndex(params (string Tensor, string File)[] map) =>
        _folder.Write("model.safetensors.index.json", new JsonObject
        {
            ["weight_map"] = new JsonObject(map.Select(item => KeyValuePair.Create<string, JsonNode?>(item.Tensor, item.File))),
        }.ToJsonString());

    private void WriteTensors(string file, params TensorDeclaration[] tensors)
    {
        using SafetensorsWriter writer = new(_folder.File(file), tensors);
        writer.Append(new byte[tensors.Sum(tensor => tensor.Bytes)]);
        writer.Complete();
    }

    private string OpenError(string? directory = null) =>
        Assert.Throws<UserErrorException>(() => Checkpoint.Open(directory ?? _folder.Path).Dispose()).Message;

    private sealed class Thrower : IProgress<CheckpointProgress>
    {
        public void Report(CheckpointProgress value) => throw new TimeoutException("the listener's");
    }

    private sealed class Counter : IProgress<CheckpointProgress>
    {
        private readonly Lock _lock = new();

        public List<CheckpointProgress> Seen { get; } = [];

        public void Report(CheckpointProgress value)
        {
            lock (_lock)
            {
                Seen.Add(value);
            }
        }
    }
}
