using Conclave.Engine;
using Conclave.Primitives;
using Conclave.Testing;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Conclave.Extensions.AI.Tests;

/// <summary>The container makes, shares and disposes what AddConclave registers.</summary>
public sealed class AddConclaveTests
{
    [Fact]
    public async Task TheContainerSharesOneEngineAndDisposesItBeforeTheModel()
    {
        ServiceProvider provider = new ServiceCollection()
            .AddConclave(options =>
            {
                options.ModelDirectory = Repository.Fable;
                options.Load = new LoadOptions { Context = 512 };
                options.Engine = new EngineOptions { MaxRunning = 3 };
            })
            .BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        IChatClient client = provider.GetRequiredService<IChatClient>();
        InferenceEngine engine = provider.GetRequiredService<InferenceEngine>();
        Assert.Same(engine, client.GetService<InferenceEngine>());
        Assert.Same(provider.GetRequiredService<LoadedModel>(), client.GetService<LoadedModel>());
        Assert.Same(client, provider.GetRequiredService<IChatClient>());
        Assert.Equal((512, 3), (engine.ContextLength, engine.MaxRunning));

        // An answer is being computed while the container goes: with the model gone first, the engine would read memory that is no longer there.
        ChatOptions endless = new() { RawRepresentationFactory = _ => new SamplingOptions { IgnoreEos = true } };
        await using IAsyncEnumerator<ChatResponseUpdate> answer =
            client.GetStreamingResponseAsync("Tell me a story.", endless, TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await answer.MoveNextAsync());
        await provider.DisposeAsync();
        Assert.NotNull(engine.Unavailable);
        await Assert.ThrowsAsync<EngineUnavailableException>(async () =>
        {
            while (await answer.MoveNextAsync())
            {
            }
        });
    }

    [Fact]
    public void AMissingModelIsSaid()
    {
        Assert.Contains("ModelDirectory", Assert.Throws<UserErrorException>(() => new ServiceCollection().AddConclave(_ => { })).Message, StringComparison.Ordinal);
        using ServiceProvider provider = new ServiceCollection().AddConclave(options => options.ModelDirectory = "/no/such/folder").BuildServiceProvider();
        Assert.Contains("/no/such/folder", Assert.Throws<UserErrorException>(provider.GetRequiredService<IChatClient>).Message, StringComparison.Ordinal);
    }
}
