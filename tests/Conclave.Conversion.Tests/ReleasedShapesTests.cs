using Conclave.Checkpoints;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Conversion.Tests;

public class ReleasedShapesTests
{
    public static TheoryData<string> Names => [.. ReleasedShapes.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void AShapeIsAValidConfiguration(string name)
    {
        using TemporaryFolder folder = new();
        ModelConfig shape = ReleasedShapes.Find(name);
        ModelConfigWriter.Write(folder.Path, shape);
        Assert.Equivalent(shape, ModelConfig.Read(folder.Path), strict: true);
    }

    // The parameter counts that the model cards state, in billions.
    [Theory]
    [InlineData("deepseek-v2-lite", 15.7)]
    [InlineData("deepseek-v2", 235.7)]
    [InlineData("deepseek-v3", 671.0)]
    [InlineData("moonlight", 16.0)]
    [InlineData("kimi-k2", 1026.4)]
    [InlineData("glm-4.7-flash", 29.9)]
    public void ShapesHaveTheParametersOfTheirModelCards(string name, double billions)
    {
        double parameters = ReleasedLayout.Tensors(ReleasedShapes.Find(name)).Sum(tensor => (double)tensor.Elements);
        Assert.Equal(billions, parameters / 1e9, 1);
    }

    [Fact]
    public void FableIsTheBundledModel()
    {
        ModelConfig fable = ModelConfig.Read(Repository.Fable);
        ModelConfig shape = ReleasedShapes.Find("fable", mtpLayers: 1) with
        {
            ScaleBlock = fable.ScaleBlock, TorchDtype = fable.TorchDtype, PadToken = fable.PadToken,
        };
        Assert.Equivalent(fable, shape, strict: true);
    }

    [Fact]
    public void ASliceKeepsItsDenseLayers()
    {
        Assert.Equal([false, false, false, true], ReleasedShapes.Find("deepseek-v3", layers: 4).IsMoeLayer);
        Assert.Equal([false, false], ReleasedShapes.Find("deepseek-v3", layers: 2).IsMoeLayer);
        Assert.Equal(69, ReleasedShapes.Find("moonlight", layers: 70).IsMoeLayer.Count(isMoe => isMoe));
    }

    [Fact]
    public void AbsurdRequestsAreRefused()
    {
        Assert.Contains("deepseek-v2-lite", Assert.Throws<UserErrorException>(() => ReleasedShapes.Find("deepseek-v9")).Message);
        Assert.Contains("0 layers", Assert.Throws<UserErrorException>(() => ReleasedShapes.Find("fable", layers: 0)).Message);
        Assert.Contains("-1 multi", Assert.Throws<UserErrorException>(() => ReleasedShapes.Find("fable", mtpLayers: -1)).Message);
    }
}
