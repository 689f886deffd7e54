using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Conclave.Testing;

/// <summary>A <c>conclave serve</c> as a process of its own, on a port that the system chooses.</summary>
public sealed partial class ServeProcess : IDisposable
{
    private const int SigTerm = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly StringBuilder _log = new();
    private bool _terminated;
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServeProcess(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.Exited += (_, _) => _address.TrySetException(new InvalidOperationException($"serve ended before it listened: {Log}"));
        process.EnableRaisingEvents = true;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    /// <summary>What it has written to both of its outputs.</summary>
    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>Bytes of memory that it has now.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Its process.</summary>
    public int Id => _process.Id;

    /// <summary>Where it listens; fails if it ends before, or if that takes minutes.</summary>
    public Task<Uri> AddressAsync => WaitForAddressAsync();

    /// <summary>Starts it.</summary>
    /// <param name="program">conclave.dll.</param>
    /// <param name="arguments">Arguments behind serve --port 0.</param>
    public static ServeProcess Start(string program, params string[] arguments) => Run([program, "serve", "--port", "0", .. arguments]);

    /// <summary>Starts it over many ranks.</summary>
    /// <param name="program">conclave.dll.</param>
    /// <param name="launch">Arguments of launch.</param>
    /// <param name="arguments">Arguments behind serve --port 0.</param>
    public static ServeProcess StartOverRanks(string program, string[] launch, params string[] arguments) =>
        Run([program, "launch", .. launch, "--", "serve", "--port", "0", .. arguments]);

    private static ServeProcess Run(string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Repository.Root,
        };
        return new ServeProcess(Process.Start(start)!);
    }

    /// <summary>Asks it to stop, as a service manager does, if that was not done yet, and waits for its end.</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> StopAsync(CancellationToken cancellation)
    {
        Terminate();
        return WaitForExitAsync(cancellation);
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> WaitForExitAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation);
        return _process.ExitCode;
    }

    /// <summary>Asks it to stop and does not wait.</summary>
    public void Terminate()
    {
        if (!_terminated)
        {
            _terminated = true;
            _ = Kill(_process.Id, SigTerm);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private async Task<Uri> WaitForAddressAsync()
    {
        try
        {
            return await _address.Task.WaitAsync(Patience);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"serve did not listen within {Patience}: {Log}", e);
        }
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_log)
        {
            _log.Append(CultureInfo.InvariantCulture, $"{line}\n");
        }

        if (Announcement().Match(line) is { Success: true } match)
        {
            _address.TrySetResult(new Uri(match.Groups["address"].Value));
        }
    }

    [GeneratedRegex(" at (?<address>http://[^ ]+)/v1,", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Announcement();

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
