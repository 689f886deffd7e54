using System.Net;
using Conclave.Primitives;

namespace Conclave.Server;

/// <summary>How a server listens and what it lets in.</summary>
public sealed record ServerOptions
{
    /// <summary>Most bytes of a request's body.</summary>
    public const int MostBodyBytes = 16 << 20;

    /// <summary>The longest time that timers know: 49 days.</summary>
    public static readonly TimeSpan LongestRequestTimeout = TimeSpan.FromSeconds(4_294_967);

    /// <summary>The address that it listens on.</summary>
    public IPAddress Host { get; init; } = IPAddress.Loopback;

    /// <summary>The port that it listens on; 0: one that the system chooses.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>What clients must send as bearer token; null: nothing.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Origins, such as http://localhost:3000, whose pages browsers let use the server; * lets all. None: a page of any site could use a server on its reader's machine.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>The name by which clients ask for the model.</summary>
    public required string ModelName { get; init; }

    /// <summary>The OpenTelemetry collector that gets traces (OTLP over HTTP, unless OTEL_EXPORTER_OTLP_PROTOCOL says otherwise); null: none.</summary>
    public Uri? TraceEndpoint { get; init; }

    /// <summary>
    /// How long a request may take until it is cancelled, more than nothing and at most <see cref="LongestRequestTimeout"/>. An answer that is streamed may take longer: it is cancelled where so much time
    /// passes before its first token, or between two.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a stream is silent until a comment shows clients, and proxies between, that it lives.</summary>
    internal TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long the rest of a long body may take when its turn has come.</summary>
    internal TimeSpan BodyTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long clients may take for their last reads when all accepted requests are computed and the server stops; a body that is still on its way is not waited for any longer either.</summary>
    internal TimeSpan LastReads { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Checks what would be found wrong only when a request comes.</summary>
    /// <exception cref="UserErrorException">The time limit is out of its range.</exception>
    internal void Check()
    {
        if (RequestTimeout <= TimeSpan.Zero || RequestTimeout > LongestRequestTimeout)
        {
            throw new UserErrorException(
                $"ServerOptions.RequestTimeout: {RequestTimeout.TotalSeconds} s is out of range; more than 0 and at most {LongestRequestTimeout.TotalSeconds} s are expected");
        }
    }
}
