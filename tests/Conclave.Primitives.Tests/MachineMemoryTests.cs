using Conclave.Testing;

namespace Conclave.Primitives.Tests;

public sealed class MachineMemoryTests
{
    [Theory]
    [InlineData("", "", "", 4096L)]
    [InlineData("0::/a/b", "sys/fs/cgroup/a/b/memory.max", "max", 4096L)]
    [InlineData("0::/a/b", "sys/fs/cgroup/a/b/memory.max", "1000", 1000L)]
    [InlineData("0::/a/b", "sys/fs/cgroup/a/memory.max", "1000", 1000L)]
    [InlineData("0::/a/b", "sys/fs/cgroup/memory.max", "1000", 1000L)]
    [InlineData("0::/a/b", "sys/fs/cgroup/a/b/memory.max", "9000", 4096L)]
    [InlineData("0::/../../b", "sys/fs/cgroup/memory.max", "1000", 1000L)]
    [InlineData("3:cpu,cpuacct:/x\n9:memory:/docker/1", "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1000", 1000L)]
    [InlineData("3:cpu,cpuacct:/x\n9:memory:/docker/1", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712", 4096L)]
    [InlineData("nonsense", "sys/fs/cgroup/memory.max", "1000", 4096L)]
    public void TheLeastOfMachineAndGroupsCounts(string groups, string file, string limit, long expected)
    {
        using TemporaryFolder root = new();
        Write("proc/meminfo", "MemTotal:       4 kB\nMemFree:        1 kB\n");
        Write("proc/self/cgroup", groups);
        if (file.Length > 0)
        {
            Write(file, $"{limit}\n");
        }

        Assert.Equal(expected, MachineMemory.Find(root.Path));

        void Write(string path, string text)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(root.File(path))!);
            File.WriteAllText(root.File(path), text);
        }
    }

    [Fact]
    public void WhereNothingTellsItNothingIsKnown()
    {
        using TemporaryFolder root = new();
        Assert.Null(MachineMemory.Find(root.Path));
        Assert.True(MachineMemory.Limit > 0);
    }
}
