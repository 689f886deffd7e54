using Conclave.Engine;
using Conclave.Extensions.AI;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers Conclave with an application.</summary>
public static class ConclaveServiceCollectionExtensions
{
    /// <summary>
    /// Adds a <see cref="LoadedModel"/>, the <see cref="InferenceEngine"/> that computes it and an <see cref="IChatClient"/> over both, as singletons. The model is loaded when
    /// the first of them is asked for. The container disposes them, the engine before the model.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Names the model's folder, at least.</param>
    /// <returns>What puts others around the client, as AddChatClient of Microsoft.Extensions.AI returns it.</returns>
    /// <exception cref="UserErrorException">No folder was named. (Of a wrong one the first who asks for a service is told.)</exception>
    /// <example>
    /// <code>
    /// builder.Services.AddConclave(options => options.ModelDirectory = "models/fable").UseFunctionInvocation();
    /// …
    /// app.MapGet("/tale", async (IChatClient client) => (await client.GetResponseAsync("Tell me a story about a fox.")).Text);
    /// </code>
    /// </example>
    public static ChatClientBuilder AddConclave(this IServiceCollection services, Action<ConclaveOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ConclaveOptions options = Options(configure);
        return services
            .AddSingleton(_ => Model(options))
            .AddSingleton(provider => new InferenceEngine(provider.GetRequiredService<LoadedModel>(), options.Engine))
            .AddChatClient(provider => new ConclaveChatClient(provider.GetRequiredService<LoadedModel>(), provider.GetRequiredService<InferenceEngine>()));
    }

    /// <summary>The same under a key, so that an application can have several models.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="serviceKey">The key of all three services.</param>
    /// <param name="configure">Names the model's folder, at least.</param>
    /// <returns>What puts others around the client, as AddKeyedChatClient of Microsoft.Extensions.AI returns it.</returns>
    /// <exception cref="UserErrorException">No folder was named. (Of a wrong one the first who asks for a service is told.)</exception>
    public static ChatClientBuilder AddKeyedConclave(this IServiceCollection services, object? serviceKey, Action<ConclaveOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ConclaveOptions options = Options(configure);
        return services
            .AddKeyedSingleton(serviceKey, (_, _) => Model(options))
            .AddKeyedSingleton(serviceKey, (provider, key) => new InferenceEngine(provider.GetRequiredKeyedService<LoadedModel>(key), options.Engine))
            .AddKeyedChatClient(
                serviceKey,
                provider => new ConclaveChatClient(provider.GetRequiredKeyedService<LoadedModel>(serviceKey), provider.GetRequiredKeyedService<InferenceEngine>(serviceKey)));
    }

    private static ConclaveOptions Options(Action<ConclaveOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        ConclaveOptions options = new();
        configure(options);
        return string.IsNullOrEmpty(options.ModelDirectory)
            ? throw new UserErrorException("AddConclave: options.ModelDirectory is not set; the folder of a checkpoint is expected")
            : options;
    }

    private static LoadedModel Model(ConclaveOptions options) => LoadedModel.Open(options.ModelDirectory, options.Load with { Contexts = options.Engine.MaxRunning });
}
