namespace Conclave.Parallel.Launch;

/// <summary>What the end of a process says.</summary>
internal static class ExitCodes
{
    private const int SignalBase = 128;

    private static readonly Dictionary<int, string> Signals = new()
    {
        [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT", [4] = "SIGILL", [5] = "SIGTRAP", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE", [9] = "SIGKILL", [10] = "SIGUSR1", [11] = "SIGSEGV",
        [12] = "SIGUSR2", [13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM", [24] = "SIGXCPU", [25] = "SIGXFSZ", [31] = "SIGSYS",
    };

    /// <summary>True where a signal ended it.</summary>
    public static bool IsSignal(int code) => Signals.ContainsKey(code - SignalBase);

    /// <summary>The end of a sentence about it.</summary>
    public static string Describe(int code) => Signals.TryGetValue(code - SignalBase, out string? name)
        ? $"was killed by signal {code - SignalBase} ({name})"
        : $"ended with exit code {code}";
}
