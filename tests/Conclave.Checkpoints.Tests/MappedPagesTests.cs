using System.Globalization;
using System.Text;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

public sealed class MappedPagesTests : IDisposable
{
    private const int Bytes = 1 << 20;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public unsafe void LoadedPagesAreInTheProcessAndReleasedOnesKeepWhatTheyHold()
    {
        string file = _folder.File("weights.safetensors");
        byte[] bytes = new byte[Bytes];
        new Random(1).NextBytes(bytes);
        string header = $"{{{SafetensorsBytes.Entry("a", "F8_E4M3", "[1024,1024]", 0, Bytes)}}}";
        File.WriteAllBytes(file, SafetensorsBytes.File(Encoding.UTF8.GetBytes(header), bytes));
        using SafetensorsFile mapped = SafetensorsFile.Open(file);
        TensorView weight = mapped.Tensors[0].View;
        long before = ResidentKilobytes(file);
        MappedPages.Load(weight);
        Assert.InRange(ResidentKilobytes(file) - before, (Bytes / 1024) - 64, (Bytes / 1024) + 64);
        MappedPages.Release(weight);
        MappedPages.Load(weight.SliceRows(0, 0));
        Assert.Equal(bytes, new ReadOnlySpan<byte>(weight.Data, Bytes).ToArray());
    }

    /// <summary>What the process's tables have of a file's mapping (proc_pid_smaps(5), Rss).</summary>
    private static long ResidentKilobytes(string file)
    {
        long resident = 0;
        bool isFile = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            isFile = words[0].EndsWith(':') ? isFile : words[^1] == file;
            resident += isFile && words[0] == "Rss:" ? long.Parse(words[1], CultureInfo.InvariantCulture) : 0;
        }

        return resident;
    }
}
