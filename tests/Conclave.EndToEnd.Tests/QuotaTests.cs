using System.Globalization;
using System.Text.RegularExpressions;

namespace Conclave.EndToEnd.Tests;

/// <summary>A container's share of the processor: half a core, whose time nobody may spin away.</summary>
[Collection(nameof(UndisturbedTests))]
public sealed partial class QuotaTests(ITestOutputHelper output)
{
    // Enters a group, if one is given, runs the rest, and writes what its processes took of the processor.
    private const string Script = """if [ -n "$0" ]; then echo $$ >"$0/cgroup.procs" || exit 99; fi; "$@"; code=$?; times >&2; exit $code""";

    /// <summary>Waiting threads of a team that is larger than the quota must leave its time to those that work.</summary>
    [Theory]
    [InlineData()]
    [InlineData("--threads", "8")]
    public void HalfACoreGivesTheSameTextForAboutTheSameTime(params string[] threads)
    {
        using CpuGroup? group = CpuGroup.TryCreate(out string reason);
        Assert.SkipWhen(group is null, reason);
        (string text, double seconds) = Generate("", "--threads", "1");
        (string limited, double taken) = Generate(group.Path, threads);
        output.WriteLine($"{seconds:F2} s of the processor without a quota, {taken:F2} s with it");
        Assert.Equal(text, limited);
        Assert.InRange(taken, 0, 3 * seconds);
    }

    private static (string Text, double Seconds) Generate(string group, params string[] threads)
    {
        CliResult result = Cli.RunProgram(
            "bash", ["-c", Script, group, "dotnet", Cli.Program, "generate", "--chat", "Tell me a story about a fox.", "--seed", "42", "--max-tokens", "200", .. threads]);
        Assert.True(result.Code == 0, result.Error);
        double[] times = [.. Times().Matches(result.Error).Select(match => (60 * Number(match, "minutes")) + Number(match, "seconds"))];
        return (result.Output, times[^2..].Sum());
    }

    private static double Number(Match match, string group) => double.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    // The last two are those of the shell's children, in the program and in the system.
    [GeneratedRegex("(?<minutes>[0-9]+)m(?<seconds>[0-9.]+)s", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Times();

    /// <summary>A group of processes that has half a core, of either version of cgroups.</summary>
    private sealed class CpuGroup : IDisposable
    {
        private CpuGroup(string path) => Path = path;

        public string Path { get; }

        public static CpuGroup? TryCreate(out string reason)
        {
            reason = "no cgroup with a cpu controller in which groups may be made";
            if (!OperatingSystem.IsLinux())
            {
                return null;
            }

            foreach (string[] mount in File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')))
            {
                bool isFirst = mount[2] == "cgroup" && mount[3].Split(',').Contains("cpu");
                string children = System.IO.Path.Combine(mount[1], "cgroup.subtree_control");
                if (!isFirst && !(mount[2] == "cgroup2" && File.Exists(children) && File.ReadAllText(children).Split(' ', '\n').Contains("cpu")))
                {
                    continue;
                }

                string path = System.IO.Path.Combine(mount[1], $"conclave-test-{Guid.NewGuid():N}");
                try
                {
                    Directory.CreateDirectory(path);
                    File.WriteAllText(System.IO.Path.Combine(path, isFirst ? "cpu.cfs_quota_us" : "cpu.max"), isFirst ? "50000" : "50000 100000");
                    return new CpuGroup(path);
                }
                catch (Exception e) when (e is UnauthorizedAccessException or IOException)
                {
                    reason = $"{path}: {e.Message}";
                }
            }

            return null;
        }

        public void Dispose() => Directory.Delete(Path);
    }
}
