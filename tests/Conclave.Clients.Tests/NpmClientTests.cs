using System.Diagnostics;
using System.Text.Json.Nodes;
using Conclave.Testing;

namespace Conclave.Clients.Tests;

/// <summary>The npm client openai against serve: npm/suite.mjs has the cases.</summary>
public sealed class NpmClientTests(ServeFixture server, ITestOutputHelper output) : IClassFixture<ServeFixture>
{
    private const int Cases = 9;
    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Conclave.Clients.Tests", "npm");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryCasePasses()
    {
        // npm writes the inner one when all is installed; a file that is not there is older than any.
        string installed = Path.Combine(Folder, "node_modules", ".package-lock.json");
        if (File.GetLastWriteTimeUtc(installed) <= File.GetLastWriteTimeUtc(Path.Combine(Folder, "package-lock.json")))
        {
            await RunAsync("npm", "ci", "--no-audit", "--no-fund");
        }

        string lines = await RunAsync("node", "suite.mjs", new Uri(server.Address, "/v1").ToString(), ServeFixture.Key);
        output.WriteLine(lines);
        JsonNode[] cases = [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(Cases, cases.Length);
        Assert.All(cases, one => Assert.True(one["ok"]!.GetValue<bool>(), $"{one["name"]}: {one["error"]}"));
        await server.WaitUntilIdleAsync(Stop);
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Folder,
        };
        using Process process = Process.Start(start)!;
        Task<string> text = process.StandardOutput.ReadToEndAsync(Stop);
        Task<string> error = process.StandardError.ReadToEndAsync(Stop);
        await process.WaitForExitAsync(Stop);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}\n{await error}\n{await text}");
        return await text;
    }
}
