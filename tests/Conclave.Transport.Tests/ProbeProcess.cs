using System.Diagnostics;
using System.Text;
using Conclave.Testing;

namespace Conclave.Transport.Tests;

/// <summary>A process that the tests start, with what it has written.</summary>
internal sealed class ProbeProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();

    public ProbeProcess(string program, params string[] arguments)
        : this(new ProcessStartInfo(program, arguments))
    {
    }

    private ProbeProcess(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError, start.UseShellExecute, start.WorkingDirectory) = (true, true, false, Repository.Root);
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Take(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Take(_errors, line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Conclave.TransportProbe as dotnet runs it.</summary>
    public static string Probe { get; } = Path.Combine(
        Repository.Root, "tests", "Conclave.TransportProbe", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "Conclave.TransportProbe.dll");

    public int Id => _process.Id;

    public string Output => Text(_output);

    public string Errors => Text(_errors);

    /// <summary>A rank of a world that meets in a folder.</summary>
    public static ProbeProcess Rank(TemporaryFolder folder, int rank, string hosts, params string[] task) =>
        new("dotnet", [Probe, folder.Path, rank.ToString(), hosts, .. task]);

    /// <summary>The same, with some of UCX's ways only (UCX_TLS).</summary>
    public static ProbeProcess RankWithWays(string ways, TemporaryFolder folder, int rank, string hosts, params string[] task)
    {
        ProcessStartInfo start = new("dotnet", [Probe, folder.Path, rank.ToString(), hosts, .. task]);
        start.Environment["UCX_TLS"] = ways;
        return new ProbeProcess(start);
    }

    /// <summary>Waits until the process has written a text, and says how long that took.</summary>
    public TimeSpan WaitFor(string text)
    {
        long start = Stopwatch.GetTimestamp();
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(60), $"'{text}' was not written: {Output}{Errors}");
            Thread.Sleep(5);
        }

        return Stopwatch.GetElapsedTime(start);
    }

    public void WaitForSuccess()
    {
        int code = WaitForExit();
        Assert.True(code == 0, $"code {code}: {Output}{Errors}");
    }

    public void WaitForFailure() => Assert.NotEqual(0, WaitForExit());

    /// <summary>SIGKILL.</summary>
    public void Kill() => _process.Kill();

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private int WaitForExit()
    {
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(120)), $"it does not end: {Output}{Errors}");

        // Also until the last line has come.
        _process.WaitForExit();
        return _process.ExitCode;
    }

    private static void Take(StringBuilder text, string? line)
    {
        lock (text)
        {
            text.Append(line).Append('\n');
        }
    }

    private static string Text(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }
}
