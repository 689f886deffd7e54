using Conclave.Engine;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Server.Tests;

/// <summary>Servers that are started wrongly.</summary>
public sealed class StartTests
{
    /// <summary>Timers would refuse it for every request.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(-0.001)]
    [InlineData(4_294_968)]
    public async Task ATimeLimitThatNoTimerKnowsIsRefused(double seconds)
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions());
        using InferenceEngine engine = new(model, new EngineOptions());
        ServerOptions options = new() { Port = 0, ModelName = "fable", RequestTimeout = TimeSpan.FromSeconds(seconds) };
        UserErrorException error = await Assert.ThrowsAsync<UserErrorException>(() => ConclaveServer.StartAsync(model, engine, options));
        Assert.Equal($"ServerOptions.RequestTimeout: {seconds} s is out of range; more than 0 and at most 4294967 s are expected", error.Message);
    }
}
