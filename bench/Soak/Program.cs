using System.Diagnostics;
using System.Globalization;
using Conclave.Testing;

// Usage: Soak [MINUTES]. A server under twice the load that it takes, half of its clients misbehaving, for as long as one likes (30 minutes): its memory each
// minute, how everything ended, and whether anything was wrong. Exit code 1 if it was.
const string Key = "the key of this run";
const int Capacity = 16;
double minutes = 30;
if (args.Length > 1 || (args.Length == 1 && !double.TryParse(args[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out minutes)))
{
    await Console.Error.WriteLineAsync("usage: Soak [MINUTES]; MINUTES is a number such as 30 or 0.5");
    return 2;
}

string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
string program = Path.Combine(Repository.Root, "src", "Conclave.Cli", "bin", configuration, "net10.0", "conclave.dll");
using ServeProcess server = ServeProcess.Start(
    program, "--api-key", Key, "--max-running", $"{Capacity * 3 / 4}", "--max-waiting", $"{Capacity / 4}", "--cache-memory", "3MiB", "--prefix-reuse", "strict");
using FaultTraffic traffic = new(await server.AddressAsync, Key, "fable", bodyLimit: 16 << 20);
await traffic.LearnAsync(default);
using CancellationTokenSource end = new(TimeSpan.FromMinutes(minutes));
Stopwatch clock = Stopwatch.StartNew();
Task run = traffic.RunAsync(2 * Capacity, int.MaxValue - (2 * Capacity), seed: 1, end.Token);
while (await Task.WhenAny(run, Task.Delay(TimeSpan.FromMinutes(1))) != run)
{
    Console.WriteLine($"{clock.Elapsed.TotalMinutes,6:F0} min {traffic.Outcomes.Values.Sum(),9} requests {server.ResidentBytes >> 20,6} MB {traffic.Violations.Count,4} violations");
}

await run;
await Task.Delay(TimeSpan.FromSeconds(2));
double left = 0;
foreach (string gauge in (string[])["conclave_num_requests_running", "conclave_num_requests_waiting", "conclave_kv_cache_usage_perc"])
{
    left += await traffic.MetricAsync(gauge, default);
}

foreach ((string outcome, int count) in traffic.Outcomes.OrderBy(entry => entry.Key, StringComparer.Ordinal))
{
    Console.WriteLine($"{count,9} {outcome}");
}

foreach (string violation in traffic.Violations.Take(20))
{
    Console.WriteLine(violation);
}

int code = await server.StopAsync(default);
bool clean = !server.Log.Contains("exception", StringComparison.OrdinalIgnoreCase) && !server.Log.Contains("fail:", StringComparison.OrdinalIgnoreCase);
Console.WriteLine($"running, waiting and in the cache at the end: {left}; exit code {code}; {(clean ? "no failure" : "failures")} in the log");
return traffic.Violations.Count == 0 && left == 0 && code == 0 && clean ? 0 : 1;
