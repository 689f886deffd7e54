using System.Net.Sockets;
using Conclave.Engine;
using Conclave.Primitives;
using Conclave.Server.Api;
using Conclave.Server.Dashboard;
using Conclave.Server.Http;
using Conclave.Text.Grammars;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Net.Http.Headers;

namespace Conclave.Server;

/// <summary>The OpenAI API over an engine: /v1/chat/completions, /v1/completions, /v1/models, /tokenize, /detokenize, /health, /ready, /metrics, /version, and the dashboard at /.</summary>
public sealed class ConclaveServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly InferenceEngine _engine;
    private readonly DashboardState _dashboard;

    private ConclaveServer(WebApplication app, InferenceEngine engine, DashboardState dashboard)
    {
        _app = app;
        _engine = engine;
        _dashboard = dashboard;
    }

    /// <summary>Where it listens.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Starts to listen.</summary>
    /// <param name="model">The model; it must outlive the server.</param>
    /// <param name="engine">The engine that computes; it must outlive the server.</param>
    /// <param name="options">How to listen.</param>
    /// <exception cref="UserErrorException">The address cannot be listened on, or the time limit is out of its range.</exception>
    public static async Task<ConclaveServer> StartAsync(LoadedModel model, InferenceEngine engine, ServerOptions options)
    {
        options.Check();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddSimpleConsole(console => console.SingleLine = true)
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = ServerOptions.MostBodyBytes;
            kestrel.Listen(options.Host, options.Port);
        });

        // All answers are complete when it stops: what is left then are clients who do not read theirs, and bodies that were not sent to their end. An orchestrator's patience is 30 s in all.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.LastReads);

        // Signals belong to whoever started the server: it drains before it stops.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.AddTelemetry(engine, options.TraceEndpoint);
        builder.Services.AddCors();
        WebApplication app = builder.Build();
        DashboardState dashboard = new(engine, options.ModelName);
        try
        {
            Map(app, new ModelService(model, engine, options));
            app.MapDashboard(dashboard);
            await app.StartAsync();
        }
        catch (Exception e)
        {
            dashboard.Dispose();
            await app.DisposeAsync();
            if (e is IOException or SocketException)
            {
                throw new UserErrorException($"{options.Host}:{options.Port} cannot be listened on: {e.Message}", e);
            }

            throw;
        }

        _ = Task.Run(() => PrepareJson(engine), CancellationToken.None);
        return new ConclaveServer(app, engine, dashboard);
    }

    /// <summary>Refuses new requests, finishes those that were accepted, gives clients 5 s to read the rest, and stops.</summary>
    public async Task DrainAsync(CancellationToken cancellation = default)
    {
        await _engine.DrainAsync(cancellation);
        await _app.StopAsync(cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _dashboard.Dispose();
    }

    // The first masks of JSON take far longer than others: nobody should wait for them.
    private static void PrepareJson(InferenceEngine engine)
    {
        try
        {
            engine.WarmUp(engine.Grammars.GetOrAdd(AnswerGrammar.AnyObject, Grammar.JsonObject), "{\"a\": [1, \"b\"], \"c\": {}}");
        }
        catch (UserErrorException)
        {
            // Grammars cannot be used with this tokenizer; a request that wants one is told.
        }
    }

    private static void Map(WebApplication app, ModelService service)
    {
        app.Use(next => context =>
        {
            RequestId.Assign(context);
            return next(context);
        });

        // Before the key is asked for: browsers send none when they ask whether they may send one, and pages must be able to read refusals.
        if (service.Options.AllowedOrigins is { Count: > 0 } origins)
        {
            app.UseCors(policy => (origins.Contains("*") ? policy.AllowAnyOrigin() : policy.WithOrigins([.. origins]))
                .AllowAnyMethod().AllowAnyHeader().WithExposedHeaders(HeaderNames.RetryAfter, RequestId.Header));
        }

        ApiKeyGate gate = new(service.Options.ApiKey);
        app.Use(next => context => ErrorGuard.RunAsync(context, gate, next));
        if (HostGate.For(service.Options) is { } hosts)
        {
            app.Use(next => context =>
            {
                hosts.Check(context.Request);
                return next(context);
            });
        }

        app.UseRouting();
        StatusEndpoints status = new(service);
        TokenizerEndpoints tokenizer = new(service);
        app.MapPost("/v1/chat/completions", service.TimeLimit.Around(new ChatEndpoint(service).HandleAsync));
        app.MapPost("/v1/completions", service.TimeLimit.Around(new CompletionsEndpoint(service).HandleAsync));
        app.MapRead("/v1/models", status.ModelsAsync);
        app.MapRead("/v1/models/{*id}", status.ModelAsync);
        app.MapPost("/tokenize", service.TimeLimit.Around(tokenizer.TokenizeAsync));
        app.MapPost("/detokenize", service.TimeLimit.Around(tokenizer.DetokenizeAsync));
        app.MapRead("/health", status.HealthAsync);
        app.MapRead("/ready", status.ReadyAsync);
        app.MapRead("/version", StatusEndpoints.VersionAsync);
        app.MapPrometheusScrapingEndpoint("/metrics");
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
