using System.Diagnostics;
using System.Runtime.Versioning;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>How a program starts.</summary>
/// <param name="Warm">Seconds from the start of the process to its first output with the files in memory, ascending.</param>
/// <param name="Cold">The same after the kernel dropped the files' pages, ascending; null where it kept too many of them to call that cold.</param>
/// <param name="ResidentShare">Share of the files' pages that were still in memory after the kernel was asked to drop them, the most of all runs.</param>
public sealed record StartSample(double[] Warm, double[]? Cold, double ResidentShare);

/// <summary>
/// Times child processes from their start to their first output. Only the files that are named are made cold: programs and libraries stay in memory.
/// </summary>
/// <param name="program">Program and arguments; its first output is what is waited for.</param>
/// <param name="directory">The folder of files that the program reads.</param>
[SupportedOSPlatform("linux")]
public sealed class StartBenchmark(IReadOnlyList<string> program, string directory)
{
    /// <summary>More pages than that in memory, and a start is not called cold.</summary>
    private const double MostResident = 0.05;

    // In Hugging Face's cache all of them are links.
    private readonly FileInfo[] _files =
    [
        .. new DirectoryInfo(directory).EnumerateFiles().Select(file => (FileInfo?)file.ResolveLinkTarget(returnFinalTarget: true) ?? file).Where(file => file is { Exists: true, Length: > 0 }),
    ];

    /// <summary>Measures warm starts, after one that is not counted, and then cold ones.</summary>
    /// <param name="runs">Starts of each kind.</param>
    /// <param name="cancellation">Ends the child.</param>
    /// <exception cref="UserErrorException">The program ended with an error.</exception>
    public StartSample Run(int runs, CancellationToken cancellation)
    {
        Start(cancellation);
        double[] warm = new double[runs];
        foreach (ref double seconds in warm.AsSpan())
        {
            seconds = Start(cancellation).Seconds;
        }

        Array.Sort(warm);
        double[] cold = new double[runs];
        double resident = 0;
        foreach (ref double seconds in cold.AsSpan())
        {
            PageCache.Drop(_files);
            resident = Math.Max(resident, PageCache.ResidentShare(_files));
            if (resident > MostResident)
            {
                return new StartSample(warm, null, resident);
            }

            seconds = Start(cancellation).Seconds;
        }

        Array.Sort(cold);
        return new StartSample(warm, cold, resident);
    }

    /// <summary>Runs the program with more arguments and returns what it wrote.</summary>
    /// <exception cref="UserErrorException">The program ended with an error.</exception>
    public string Output(string[] arguments, CancellationToken cancellation) => Start(cancellation, arguments).Output;

    private (double Seconds, string Output) Start(CancellationToken cancellation, params string[] arguments)
    {
        cancellation.ThrowIfCancellationRequested();
        ProcessStartInfo info = new(program[0], [.. program.Skip(1), .. arguments])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        long started = Stopwatch.GetTimestamp();
        using Process process = Process.Start(info)!;
        using CancellationTokenRegistration kill = cancellation.Register(process.Kill);
        Task<string> error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        int first = process.StandardOutput.Read();
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        string rest = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode == 0 && first >= 0
            ? (seconds, (char)first + rest)
            : throw new UserErrorException($"{string.Join(' ', info.ArgumentList)} ended with exit code {process.ExitCode}: {error.GetAwaiter().GetResult().Trim()}".Split('\n'));
    }
}
