using System.CommandLine;
using System.Globalization;
using Conclave.Cli.Frame;
using Conclave.Measurement.Load;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>What is sent, and when.</summary>
/// <param name="Source">The requests.</param>
/// <param name="Description">The same in words.</param>
/// <param name="Requests">Most requests of a run, or null.</param>
/// <param name="Duration">How long a run sends, or null.</param>
/// <param name="Clients">The runs of a closed loop by their clients; empty: open loop.</param>
/// <param name="OpenLoop">The name of the run of an open loop.</param>
/// <param name="Arrivals">When requests of an open loop are due.</param>
internal sealed record LoadPlan(
    RequestSource Source, string Description, int? Requests, TimeSpan? Duration, int[] Clients, string OpenLoop, IEnumerable<TimeSpan> Arrivals);

/// <summary>The options of <c>conclave bench serve</c> that say what is sent, and when.</summary>
internal sealed class LoadArguments
{
    private const int DefaultTokens = 128;
    private const double DefaultSeconds = 30, MostSeconds = 1e6, LeastRate = 1e-3, MostRate = 1e6;
    private const int MostTokens = 10_000_000, MostClients = 10_000;

    private readonly Option<string?> _clients = new("--clients")
    {
        Description = "Closed loop: N clients, each sends when its last answer has ended. A list makes one run after the other, compared with the first. Default: 1",
        HelpName = "N,…",
    };

    private readonly Option<double?> _rate = new("--rate")
    {
        Description = "Open loop: R requests a second at random times (Poisson), however many are under way; latencies count from when a request is due",
        HelpName = "R",
    };

    private readonly Option<string?> _trace = new("--trace")
    {
        Description = "Open loop: lengths, times and shared prefixes of a trace in Mooncake's format (JSON lines)", HelpName = "FILE.jsonl",
    };

    private readonly Option<double?> _scale = new("--scale")
    {
        Description = "Of a trace: its lengths times S; 0.125 makes 64 tokens of a block of 512. Default: 1", HelpName = "S",
    };

    private readonly Option<double?> _speed = new("--speed") { Description = "Of a trace: X times as fast. Default: 1", HelpName = "X" };

    private readonly Option<int?> _sharedPrefix = new("--shared-prefix")
    {
        Description = "Prompts begin with this many tokens that all prompts of their group have; --input-tokens follow", HelpName = "TOKENS",
    };

    private readonly Option<int?> _groups = new("--groups") { Description = "How many groups share a prefix. Default: 1", HelpName = "G" };

    private readonly Option<string?> _input = new("--input-tokens")
    {
        Description = $"Tokens of a prompt, or a range such as 64-512. Default: {DefaultTokens}", HelpName = "N",
    };

    private readonly Option<string?> _output = new("--output-tokens")
    {
        Description = $"Tokens of an answer, or a range. Default: {DefaultTokens}", HelpName = "N",
    };

    private readonly Option<int?> _requests = new("--requests") { Description = "Requests of a run", HelpName = "N" };

    private readonly Option<double?> _duration = new("--duration")
    {
        Description = $"Seconds in which a run sends; what is under way then is awaited. Default, without --requests: {DefaultSeconds}, or all of a trace",
        HelpName = "S",
    };

    private readonly Option<int> _seed = new("--seed")
    {
        Description = "The same seed gives the same requests; another one finds no prompts of this one in the server's cache", HelpName = "S",
    };

    /// <summary>Adds the options.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])
            [_clients, _rate, _trace, _scale, _speed, _sharedPrefix, _groups, _input, _output, _requests, _duration, _seed])
        {
            command.Add(option);
        }
    }

    /// <summary>Other salts give other prompts; each run has one of its own, and one for what warms up.</summary>
    public ulong Salt(ParseResult result, int run, bool warmUp) => ((ulong)(uint)result.GetValue(_seed) << 20) + (ulong)((2 * run) + (warmUp ? 1 : 0));

    /// <summary>What the options ask for.</summary>
    /// <exception cref="UserErrorException">Their values, or two of them together, make no sense.</exception>
    public LoadPlan Read(ParseResult result)
    {
        Exclude(result, _trace, _rate, _clients, _sharedPrefix, _groups, _input, _output);
        Exclude(result, _rate, _clients);
        Exclude(result, _requests, _duration);
        Need(result, _scale, _trace);
        Need(result, _speed, _trace);
        Need(result, _groups, _sharedPrefix);
        int? requests = result.GetValue(_requests) is { } count ? NumberOptions.AtLeast(_requests.Name, count, 1) : null;
        double? seconds = result.GetValue(_duration) is { } time ? NumberOptions.Positive(_duration.Name, time, MostSeconds) : null;
        if (result.GetValue(_trace) is { } file)
        {
            double scale = NumberOptions.Positive(_scale.Name, result.GetValue(_scale) ?? 1, 1);
            double speed = NumberOptions.InRange(_speed.Name, result.GetValue(_speed) ?? 1, LeastRate, MostRate);
            MooncakeTrace trace = MooncakeTrace.Read(file, scale);
            return new LoadPlan(
                trace, $"{Path.GetFileName(file)}, lengths × {scale}, {speed} × as fast", requests, Span(seconds), [], "trace", trace.Arrivals(speed));
        }

        TokenRange input = Range(result, _input);
        TokenRange output = Range(result, _output);
        int prefix = result.GetValue(_sharedPrefix) is { } tokens ? NumberOptions.InRange(_sharedPrefix.Name, tokens, 1, MostTokens) : 0;
        int groups = NumberOptions.AtLeast(_groups.Name, result.GetValue(_groups) ?? 1, 1);
        int seed = result.GetValue(_seed);
        RandomRequests source = new(seed, input, output, prefix, groups);
        string shared = prefix == 0 ? "" : $"{prefix} shared by {groups} group{(groups == 1 ? "" : "s")} + ";
        string description = $"{shared}{Words(input)} input and {Words(output)} output tokens";
        seconds ??= requests is null ? DefaultSeconds : null;
        if (result.GetValue(_rate) is { } perSecond)
        {
            double rate = NumberOptions.InRange(_rate.Name, perSecond, LeastRate, MostRate);
            return new LoadPlan(source, description, requests, Span(seconds), [], $"{rate} requests/s", PoissonArrivals.Times(rate, seed));
        }

        return new LoadPlan(source, description, requests, Span(seconds), NumberOptions.List(_clients.Name, result.GetValue(_clients) ?? "1", 1, MostClients), "", []);
    }

    private static TokenRange Range(ParseResult result, Option<string?> option)
    {
        if (result.GetValue(option) is not { } text)
        {
            return new TokenRange(DefaultTokens, DefaultTokens);
        }

        string[] parts = text.Split('-');
        return parts.Length <= 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int least)
            && int.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int most)
            && least >= 1 && most >= least && most <= MostTokens
                ? new TokenRange(least, most)
                : throw new UserErrorException($"{option.Name} {text}: a number from 1 to {MostTokens}, or a range such as 64-512, is expected");
    }

    private static string Words(TokenRange range) => range.Least == range.Most ? $"{range.Least}" : $"{range.Least} to {range.Most}";

    private static TimeSpan? Span(double? seconds) => seconds is { } given ? TimeSpan.FromSeconds(given) : null;

    private static void Exclude(ParseResult result, Option option, params Option[] others)
    {
        if (result.GetResult(option) is not null && Array.Find(others, other => result.GetResult(other) is not null) is { } one)
        {
            throw new UserErrorException($"{option.Name} and {one.Name}: one or the other");
        }
    }

    private static void Need(ParseResult result, Option option, Option needed)
    {
        if (result.GetResult(option) is not null && result.GetResult(needed) is null)
        {
            throw new UserErrorException($"{option.Name} is for {needed.Name}, which is not there");
        }
    }
}
