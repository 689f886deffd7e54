using System.CommandLine;
using System.Net;
using Conclave.Cli.Frame;
using Conclave.Engine;
using Conclave.Engine.Scheduling;
using Conclave.Kernels;
using Conclave.Parallel.Launch;
using Conclave.Primitives;
using Conclave.Server;

namespace Conclave.Cli.Commands;

/// <summary>conclave serve: the OpenAI API, until SIGTERM or Ctrl-C.</summary>
internal sealed class ServeCommand(RankLeader? leader)
{
    private const int DefaultRunning = 64;

    // Set by scripts/hosts.
    private const string NetworkVariable = "CONCLAVE_HOST_NETWORK";

    private readonly Option<string?> _model = ModelDirectory.Option();
    private readonly Option<string> _host = new("--host") { Description = "Address to listen on", HelpName = "ADDRESS", DefaultValueFactory = _ => "127.0.0.1" };
    private readonly Option<int> _port = new("--port") { Description = "Port to listen on; 0: any that is free", HelpName = "PORT", DefaultValueFactory = _ => 8080 };
    private readonly ApiKeyOption _key = new("Key that clients must send", isSent: false);
    private readonly Option<string[]> _origins = new("--allowed-origins")
    {
        Description = "Origin whose pages browsers let use the server, such as http://localhost:3000, or * for all; may be repeated. Default: none, else any site's page could use a server on this machine",
        HelpName = "ORIGIN",
    };

    private readonly Option<string?> _template = ChatTemplateOption.Create();
    private readonly Option<string?> _name = new("--served-model-name") { Description = "Name of the model in the API. Default: its folder's name", HelpName = "NAME" };
    private readonly Option<int?> _running = new("--max-running")
    {
        Description = $"Most answers computed at a time. Default: {DefaultRunning}, at most one for each token of a step", HelpName = "N",
    };

    private readonly Option<int> _waiting = new("--max-waiting") { Description = "Most requests that wait; more get status 429", HelpName = "N", DefaultValueFactory = _ => 1024 };
    private readonly Option<string?> _memory = new("--cache-memory")
    {
        Description = "Memory of the latent cache for all requests, such as 4GiB. Default: a quarter of what the process may use, at most what it can fill",
        HelpName = "SIZE",
    };

    private readonly Option<string> _reuse = new("--prefix-reuse")
    {
        Description = "What prompts reuse of earlier requests: all, strict (never what was generated), none",
        HelpName = "WHAT",
        DefaultValueFactory = _ => "all",
    };

    private readonly Option<double> _timeout = new("--request-timeout")
    {
        Description = "Seconds until a request is cancelled; one that is streamed: seconds without a token",
        HelpName = "S",
        DefaultValueFactory = _ => 600,
    };

    private readonly Option<string?> _traces = new("--otlp-endpoint")
    {
        Description = "OpenTelemetry collector that gets a trace of each request, such as http://127.0.0.1:4318; OTEL_EXPORTER_OTLP_* say more",
        HelpName = "URL",
    };

    private readonly Option<bool> _experts = new("--expert-metrics")
    {
        Description = "Count in /metrics what each expert was given: a series for each layer and expert, 14,848 in a V3",
    };

    private readonly ComputeOptions _compute = new(leader);

    public static Command Create(RankLeader? leader) => new ServeCommand(leader).Build();

    private CliCommand Build()
    {
        _reuse.AcceptOnly("all", "strict", "none");
        CliCommand command = new(
            "serve", "Serves the OpenAI API to many clients at a time, until Ctrl-C or SIGTERM; then what was accepted is finished.",
            ("conclave serve", "the bundled model on http://127.0.0.1:8080/v1"),
            ("conclave serve --model DeepSeek-V2-Lite-Chat --cache-memory 4GiB --host 0.0.0.0 --api-key @key.txt", "another one, for others too"))
        {
            _model, _template, _host, _port, _origins, _name, _running, _waiting, _memory, _reuse, _timeout, _traces, _experts,
        };
        _key.AddTo(command);
        _compute.AddTo(command, cache: true, steps: true);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        string directory = ModelDirectory.Resolve(result.GetValue(_model));
        ServerOptions options = ReadServerOptions(result, directory);
        EngineOptions engineOptions = ReadEngineOptions(result, options.ModelName);
        string? size = result.GetValue(_memory);
        using LoadedModel loaded = _compute.Load(
            result, directory, load => load with
            {
                CacheMemory = size is null ? null : ByteSize.Parse("--cache-memory", size),
                Contexts = engineOptions.MaxRunning,
                ChatTemplate = result.GetValue(_template),
            });
        using InferenceEngine engine = new(loaded, engineOptions);
        await using ConclaveServer server = await ListenAsync(loaded, engine, options);
        Announce(server, loaded, options, engine.Status.CacheBlocks);
        await WaitAsync(cancellation);
        if (leader is not { IsOver: true })
        {
            await Console.Error.WriteLineAsync("finishing what was accepted; another signal ends at once");
        }

        await server.DrainAsync(CancellationToken.None);
        return 0;
    }

    private ServerOptions ReadServerOptions(ParseResult result, string directory) => new()
    {
        Host = ReadHost(result.GetRequiredValue(_host)),
        Port = NumberOptions.InRange(_port.Name, result.GetValue(_port), 0, ushort.MaxValue),
        ApiKey = _key.Read(result),
        AllowedOrigins = [.. (result.GetValue(_origins) ?? []).Select(ReadOrigin)],
        ModelName = ReadName(result.GetValue(_name)) ?? LoadedModel.NameOf(directory),
        TraceEndpoint = ReadEndpoint(result.GetValue(_traces)),
        RequestTimeout = TimeSpan.FromSeconds(
            NumberOptions.InRange(_timeout.Name, result.GetValue(_timeout), 0.001, ServerOptions.LongestRequestTimeout.TotalSeconds)),
    };

    private EngineOptions ReadEngineOptions(ParseResult result, string modelName)
    {
        // Every answer takes one of a step's tokens.
        int tokens = _compute.TokensPerStep(result);
        return new EngineOptions
        {
            MaxRunning = NumberOptions.InRange(_running.Name, result.GetValue(_running) ?? int.Min(DefaultRunning, tokens), 1, tokens),
            MaxWaiting = NumberOptions.InRange(_waiting.Name, result.GetValue(_waiting), 0, 1 << 20),
            ModelName = modelName,
            ExpertMetrics = result.GetValue(_experts),
            PrefixReuse = result.GetRequiredValue(_reuse) switch
            {
                "strict" => PrefixReuse.Strict,
                "none" => PrefixReuse.None,
                _ => PrefixReuse.All,
            },
        };
    }

    private static async Task<ConclaveServer> ListenAsync(LoadedModel model, InferenceEngine engine, ServerOptions options)
    {
        try
        {
            return await ConclaveServer.StartAsync(model, engine, options);
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"{e.Message}; --port and --host name another place", e);
        }
    }

    private static void Announce(ConclaveServer server, LoadedModel model, ServerOptions options, int cacheBlocks)
    {
        Console.Error.WriteLine(
            $"{options.ModelName} at {server.Address.ToString().TrimEnd('/')}/v1, contexts of {model.ContextLength} tokens, a cache of {(long)cacheBlocks * LatentPages.TokensPerBlock} tokens");
        if (Environment.GetEnvironmentVariable(NetworkVariable) is { Length: > 0 } network)
        {
            Console.Error.WriteLine($"that address is of the network namespace {network} and is reached in it only, by: sudo ip netns exec {network} curl {server.Address}v1/models");
        }

        if (!IPAddress.IsLoopback(options.Host) && options.ApiKey is null)
        {
            Console.Error.WriteLine($"warning: {options.Host} can be reached from other machines, and no --api-key is asked for");
        }
    }

    private static async Task WaitAsync(CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The signal to drain.
        }
    }

    private static IPAddress ReadHost(string host) =>
        host == "localhost" ? IPAddress.Loopback
        : IPAddress.TryParse(host, out IPAddress? address) ? address
        : throw new UserErrorException($"--host {host}: an IP address is expected, such as 127.0.0.1 or 0.0.0.0, or localhost");

    private static string? ReadName(string? name) => name is null || !string.IsNullOrWhiteSpace(name)
        ? name
        : throw new UserErrorException("--served-model-name: the name that clients ask for is empty; without the option it is that of the model's folder");

    private static Uri? ReadEndpoint(string? url) =>
        url is null ? null
        : Uri.TryCreate(url, UriKind.Absolute, out Uri? endpoint) && endpoint.Scheme is "http" or "https" ? endpoint
        : throw new UserErrorException($"--otlp-endpoint {url}: an http or https URL is expected, such as http://127.0.0.1:4318");

    // As browsers write it: without the scheme's own port, and without a slash at the end.
    private static string ReadOrigin(string text) =>
        text == "*" ? text
        : Uri.TryCreate(text, UriKind.Absolute, out Uri? origin) && origin is { Host.Length: > 0, UserInfo: "", PathAndQuery: "/" or "", Fragment: "" } ? origin.GetLeftPart(UriPartial.Authority)
        : throw new UserErrorException($"--allowed-origins {text}: a scheme, a host and perhaps a port are expected, such as http://localhost:3000, or *");
}
