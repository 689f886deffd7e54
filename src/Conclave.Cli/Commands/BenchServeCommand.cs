using System.CommandLine;
using Conclave.Cli.Frame;
using Conclave.Measurement.Load;

namespace Conclave.Cli.Commands;

/// <summary>conclave bench serve: a server under load.</summary>
internal sealed class BenchServeCommand
{
    private const double MostSeconds = 1e6;
    private const int MostVocabulary = 10_000_000;

    private readonly Argument<string> _url = new("URL") { Description = "The server, such as http://127.0.0.1:8080; /v1 is added where it is missing" };
    private readonly LoadArguments _load = new();
    private readonly Option<string?> _model = new("--model") { Description = "The model to ask. Default: the first that the server lists", HelpName = "NAME" };
    private readonly Option<string> _endpoint = new("--endpoint")
    {
        Description = "completions: prompts are token ids, their lengths exact; chat: prompts are common words, about one token each",
        HelpName = "completions|chat",
        DefaultValueFactory = _ => "completions",
    };

    private readonly Option<int> _vocabulary = new("--vocabulary")
    {
        Description = $"Prompts of completions consist of the token ids {RequestFormat.FirstToken} to {RequestFormat.FirstToken - 1} + N, which are no special ones in any common model",
        HelpName = "N",
        DefaultValueFactory = _ => 1000,
    };

    private readonly Option<int> _warmUp = new("--warmup") { Description = "Requests before each run that are not measured", HelpName = "N", DefaultValueFactory = _ => 1 };
    private readonly Option<double?> _timeout = new("--timeout") { Description = "Seconds that a request may take. Default: 600", HelpName = "S" };
    private readonly Option<double?> _ttft = new("--slo-ttft")
    {
        Description = "Goodput: answers whose first token came within this time", HelpName = "MS",
    };

    private readonly Option<double?> _itl = new("--slo-itl") { Description = "Goodput: answers whose further tokens took this long on average (TPOT)", HelpName = "MS" };
    private readonly Option<bool> _json = new("--json") { Description = "Write one JSON object" };
    private readonly ApiKeyOption _key = new("The bearer token", isSent: true);
    private readonly PlotFile _plot = new("Draw TTFT, ITL and end-to-end time by percentile");

    public static Command Create() => new BenchServeCommand().Build();

    private CliCommand Build()
    {
        _endpoint.AcceptOnly("completions", "chat");
        CliCommand command = new(
            "serve",
            "Puts an OpenAI-compatible server under load. TTFT: to the first text; ITL: time between two chunks, shared by the tokens of the second; TPOT: an answer's time after its first text for each of its further tokens.",
            ("conclave bench serve http://127.0.0.1:8080 --clients 1,8,32 --requests 128", "three closed loops, compared with the first"),
            ("conclave bench serve URL --rate 4 --slo-ttft 500 --slo-itl 50", "goodput at 4 requests a second"),
            ("conclave bench serve URL --trace mooncake.jsonl --scale 0.125 --requests 200 --speed 10", "the beginning of a trace, shortened"),
            ("conclave bench serve URL --clients 8 --shared-prefix 1024 --groups 4 --plot serve.svg", "what a prefix cache is worth, and a picture"))
        {
            _url,
        };
        _load.AddTo(command);
        foreach (Option option in (Option[])[_model, _endpoint, _vocabulary, _warmUp, _timeout, _ttft, _itl, _json])
        {
            command.Add(option);
        }

        _key.AddTo(command);
        _plot.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task RunAsync(ParseResult result, CancellationToken cancellation)
    {
        _plot.Check(result);
        LoadPlan plan = _load.Read(result);
        LoadObjective objective = new(Milliseconds(result, _ttft), Milliseconds(result, _itl));
        LoadTarget target = ReadTarget(result);
        int words = NumberOptions.InRange(_vocabulary.Name, result.GetValue(_vocabulary), 1, MostVocabulary);
        int unmeasured = NumberOptions.AtLeast(_warmUp.Name, result.GetValue(_warmUp), 0);
        using LoadClient client = new(target);
        string name = result.GetValue(_model) ?? await client.FirstModelAsync(cancellation);
        LoadRunner runner = new(client, plan.Source, plan.Requests, plan.Duration, objective);
        RequestFormat Format(int run, bool warm) => new(target.Endpoint, name, words, _load.Salt(result, run, warm));
        LoadOutput output = new(target, name, plan, objective);
        TextWriter? text = result.GetValue(_json) ? null : result.InvocationConfiguration.Output;
        await RunAsync(runner, plan, Format, unmeasured, (label, run) => output.Add(label, run, text), cancellation);
        if (output.Runs.Count > 0)
        {
            _plot.Write(result, output.Svg);
            if (text is null)
            {
                output.WriteJson(result.InvocationConfiguration.Output);
            }
        }

        cancellation.ThrowIfCancellationRequested();
        if (output.Runs.FirstOrDefault(run => run.Result.Answered == 0 && run.Result.Failed > 0).Result is { } refused)
        {
            throw LoadRunner.Refused(refused);
        }
    }

    private LoadTarget ReadTarget(ParseResult result) => new(
        LoadTarget.ApiOf(result.GetRequiredValue(_url)),
        result.GetRequiredValue(_endpoint) == "chat" ? LoadEndpoint.Chat : LoadEndpoint.Completions,
        _key.Read(result),
        TimeSpan.FromSeconds(NumberOptions.Positive(_timeout.Name, result.GetValue(_timeout) ?? 600, MostSeconds)));

    /// <summary>The runs of a plan, each after requests that are not measured, until they are cancelled.</summary>
    private static async Task RunAsync(
        LoadRunner runner, LoadPlan plan, Func<int, bool, RequestFormat> format, int unmeasured, Action<string, LoadResult> add, CancellationToken cancellation)
    {
        bool isClosed = plan.Clients.Length > 0;
        int runs = Math.Max(plan.Clients.Length, 1);
        for (int run = 0; run < runs && !cancellation.IsCancellationRequested; run++)
        {
            int clients = isClosed ? plan.Clients[run] : 1;
            await runner.WarmUpAsync(format(run, true), unmeasured, clients, cancellation);
            if (cancellation.IsCancellationRequested)
            {
                return;
            }

            RequestFormat measured = format(run, false);
            if (isClosed)
            {
                add($"{clients} client{(clients == 1 ? "" : "s")}", await runner.ClosedLoopAsync(measured, clients, cancellation));
            }
            else
            {
                add(plan.OpenLoop, await runner.OpenLoopAsync(measured, plan.Arrivals, cancellation));
            }
        }
    }

    private static TimeSpan? Milliseconds(ParseResult result, Option<double?> option) =>
        result.GetValue(option) is { } value ? TimeSpan.FromMilliseconds(NumberOptions.Positive(option.Name, value, MostSeconds * 1000)) : null;
}
