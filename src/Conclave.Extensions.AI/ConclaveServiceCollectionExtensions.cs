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
    /// <exception cref="UserErrorException">No folder was named. (Of a wrong one the first who asks for a service is told.)</exception>
    /// <example>
    /// <code>
    /// builder.Services.AddConclave(options => options.ModelDirectory = "models/fable");
    /// …
    /// app.MapGet("/tale", async (IChatClient client) => (await client.GetResponseAsync("Tell me a story about a fox.")).Text);
    /// </code>
    /// </example>
    public static IServiceCollection AddConclave(this IServiceCollection services, Action<ConclaveOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        ConclaveOptions options = new();
        configure(options);
        if (string.IsNullOrEmpty(options.ModelDirectory))
        {
            throw new UserErrorException("AddConclave: options.ModelDirectory is not set; the folder of a checkpoint is expected");
        }

        return services
            .AddSingleton(_ => LoadedModel.Open(options.ModelDirectory, options.Load with { Contexts = options.Engine.MaxRunning }))
            .AddSingleton(provider => new InferenceEngine(provider.GetRequiredService<LoadedModel>(), options.Engine))
            .AddSingleton<IChatClient>(provider =>
                new ConclaveChatClient(provider.GetRequiredService<LoadedModel>(), provider.GetRequiredService<InferenceEngine>()));
    }
}
