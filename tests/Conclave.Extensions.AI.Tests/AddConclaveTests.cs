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
        ServiceCollection services = new();
        services
            .AddConclave(options =>
            {
                options.ModelDirectory = Repository.Fable;
                options.Load = new LoadOptions
                {
                    Context = 512,
                    Divide = (config, kernels, team, sizes) => sizes with { Experts = ChatFixture.PausedExperts(config, kernels, team, () => TimeSpan.FromSeconds(0.1)) },
                };
                options.Engine = new EngineOptions { MaxRunning = 3 };
            })
            .UseFunctionInvocation();
        ServiceProvider provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        IChatClient client = provider.GetRequiredService<IChatClient>();
        InferenceEngine engine = provider.GetRequiredService<InferenceEngine>();
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
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
    public async Task TwoModelsInOneHostAreToldApartByTheirKeys()
    {
        ServiceCollection services = new();
        services.AddKeyedConclave("short", options => Configure(options, 256)).UseFunctionInvocation();
        services.AddKeyedConclave("long", options => Configure(options, 512));
        services.AddConclave(options => Configure(options, 384));
        ServiceProvider provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        IChatClient shorter = provider.GetRequiredKeyedService<IChatClient>("short");
        IChatClient longer = provider.GetRequiredKeyedService<IChatClient>("long");
        Assert.Equal(256, shorter.GetService<InferenceEngine>()!.ContextLength);
        Assert.Equal(512, longer.GetService<InferenceEngine>()!.ContextLength);
        Assert.Equal(384, provider.GetRequiredService<IChatClient>().GetService<InferenceEngine>()!.ContextLength);
        Assert.Same(provider.GetRequiredKeyedService<LoadedModel>("long"), longer.GetService<LoadedModel>());
        Assert.NotSame(shorter.GetService<LoadedModel>(), longer.GetService<LoadedModel>());
        Assert.NotNull(shorter.GetService<FunctionInvokingChatClient>());
        Assert.Null(longer.GetService<FunctionInvokingChatClient>());
        Assert.NotEmpty((await longer.GetResponseAsync("Tell me a story.", new ChatOptions { MaxOutputTokens = 5 }, TestContext.Current.CancellationToken)).Messages);

        InferenceEngine[] engines = [shorter.GetService<InferenceEngine>()!, longer.GetService<InferenceEngine>()!];
        await provider.DisposeAsync();
        Assert.All(engines, engine => Assert.NotNull(engine.Unavailable));

        static void Configure(ConclaveOptions options, int context)
        {
            options.ModelDirectory = Repository.Fable;
            options.Load = new LoadOptions { Context = context, CacheMemory = 32 << 20 };
            options.Engine = new EngineOptions { MaxRunning = 2 };
        }
    }

    [Fact]
    public void AMissingModelIsSaid()
    {
        Assert.Contains("ModelDirectory", Assert.Throws<UserErrorException>(() => new ServiceCollection().AddConclave(_ => { })).Message, StringComparison.Ordinal);
        Assert.Contains("ModelDirectory", Assert.Throws<UserErrorException>(() => new ServiceCollection().AddKeyedConclave("key", _ => { })).Message, StringComparison.Ordinal);
        ServiceCollection services = new();
        services.AddConclave(options => options.ModelDirectory = "/no/such/folder");
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Contains("/no/such/folder", Assert.Throws<UserErrorException>(provider.GetRequiredService<IChatClient>).Message, StringComparison.Ordinal);
    }
}
