using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Engine.Tests.Requests;

/// <summary>Options that an application sets wrongly are refused where it hands them over, by name and value.</summary>
public sealed class OptionRangeTests
{
    public static TheoryData<string, LoadOptions> WrongLoads() => new()
    {
        { "LoadOptions.Threads: 0 is out of range; at least 1", new LoadOptions { Threads = 0 } },
        { "LoadOptions.Teams: 0 is", new LoadOptions { Teams = 0 } },
        { "LoadOptions.Caches: 0 is", new LoadOptions { Caches = 0 } },
        { "LoadOptions.TokensPerStep: -1 is", new LoadOptions { TokensPerStep = -1 } },
        { "LoadOptions.CacheFormat: the cache holds F32 or BF16, not F16", new LoadOptions { CacheFormat = ElementFormat.F16 } },
    };

    [Theory]
    [MemberData(nameof(WrongLoads))]
    public void NoModelIsLoadedByThem(string message, LoadOptions options) =>
        Assert.StartsWith(message, Assert.Throws<UserErrorException>(() => LoadedModel.Open(Repository.Fable, options)).Message, StringComparison.Ordinal);

    [Fact]
    public void NoEngineStartsWithThem()
    {
        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions());
        foreach ((string message, EngineOptions options) in ((string, EngineOptions)[])
        [
            ("EngineOptions.MaxRunning: -1 is out of range; at least 1", new EngineOptions { MaxRunning = -1 }),
            ("EngineOptions.MaxRunning: 0 is", new EngineOptions { MaxRunning = 0 }),
            ("EngineOptions.MaxWaiting: -1 is out of range; at least 0", new EngineOptions { MaxWaiting = -1 }),
        ])
        {
            Assert.StartsWith(message, Assert.Throws<UserErrorException>(() => new InferenceEngine(model, options)).Message, StringComparison.Ordinal);
        }
    }
}
