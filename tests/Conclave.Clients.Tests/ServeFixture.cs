using System.Globalization;
using System.Text.RegularExpressions;
using Conclave.Testing;

namespace Conclave.Clients.Tests;

/// <summary>A server on fable for the clients of a class.</summary>
public sealed partial class ServeFixture : IAsyncLifetime
{
    public const string Key = "the clients' key";
    private static readonly HttpClient Http = new();
    private ServeProcess? _server;

    public Uri Address { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        string program = Path.Combine(
            Repository.Root, "src", "Conclave.Cli", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "conclave.dll");
        _server = ServeProcess.Start(program, "--api-key", Key);
        Address = await _server.AddressAsync;
    }

    /// <summary>Waits until no answer is computed and no block is held.</summary>
    public async Task WaitUntilIdleAsync(CancellationToken cancellation)
    {
        for (int attempt = 0; ; attempt++)
        {
            string metrics = await Http.GetStringAsync(new Uri(Address, "/metrics"), cancellation);
            double[] gauges = [.. Gauges().Matches(metrics).Select(match => double.Parse(match.Groups["value"].ValueSpan, CultureInfo.InvariantCulture))];
            Assert.Equal(2, gauges.Length);
            if (gauges.All(value => value == 0))
            {
                return;
            }

            Assert.True(attempt < 300, string.Join(' ', gauges));
            await Task.Delay(50, cancellation);
        }
    }

    /// <summary>How many answers have ended for a reason.</summary>
    public async Task<int> EndedAsync(string reason, CancellationToken cancellation)
    {
        string metrics = await Http.GetStringAsync(new Uri(Address, "/metrics"), cancellation);
        return int.Parse(Ends().Matches(metrics).Single(match => match.Groups["reason"].Value == reason).Groups["value"].ValueSpan, CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        Assert.Equal(0, await _server!.StopAsync(CancellationToken.None));
        Assert.False(_server.Log.Contains("exception", StringComparison.OrdinalIgnoreCase), _server.Log);
        _server.Dispose();
    }

    [GeneratedRegex("^conclave_(num_requests_running|kv_cache_usage_perc)\\{[^}]*\\} (?<value>[0-9.eE+-]+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Gauges();

    [GeneratedRegex("^conclave_request_success_total\\{[^}]*finished_reason=\"(?<reason>[a-z]+)\"[^}]*\\} (?<value>[0-9]+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Ends();
}
