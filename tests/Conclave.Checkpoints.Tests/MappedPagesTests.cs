using System.Runtime.InteropServices;
using System.Text;
using Conclave.Primitives;
using Conclave.Testing;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Checkpoints.Tests;

public sealed partial class MappedPagesTests : IDisposable
{
    private const int Bytes = 1 << 20;

    // madvise(2), posix_fadvise(2): MADV_COLLAPSE, POSIX_FADV_DONTNEED.
    private const int Collapse = 25;
    private const int DropFromCache = 4;
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
        long before = ProcessMemory.ResidentKilobytes(file);
        MappedPages.Load(weight);
        Assert.InRange(ProcessMemory.ResidentKilobytes(file) - before, (Bytes / 1024) - 64, (Bytes / 1024) + 64);
        MappedPages.Release(weight);
        MappedPages.Load(weight.SliceRows(0, 0));
        Assert.Equal(bytes, new ReadOnlySpan<byte>(weight.Data, Bytes).ToArray());
    }

    [Fact]
    public async Task PromotedPagesKeepWhatTheyHoldForReadersMeanwhileAndAreNotPromotedTwice()
    {
        const int Huge = 8 * (int)HugePages.Size;
        byte[] bytes = new byte[Huge];
        new Random(1).NextBytes(bytes);
        string file = WriteInSmallPieces("model.safetensors", bytes);
        bool makesHuge = MakesHugePages(WriteInSmallPieces("another.safetensors", bytes), bytes);
        using SafetensorsFile mapped = SafetensorsFile.Open(file);
        using CancellationTokenSource promoted = new();
        Task reader = Task.Run(
            () =>
            {
                do
                {
                    Assert.True(Holds(mapped.Tensors[0].View, bytes));
                }
                while (!promoted.IsCancellationRequested);
            },
            TestContext.Current.CancellationToken);
        int first = mapped.PromotePages(true, TestContext.Current.CancellationToken);
        await promoted.CancelAsync();
        await reader;

        // A page that the reader was in may have been left out the first time; none is promoted twice.
        int both = first + mapped.PromotePages(true, TestContext.Current.CancellationToken);
        Assert.InRange(both, makesHuge ? 1 : 0, 8);
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        Assert.Equal(0, mapped.PromotePages(true, cancelled.Token));
        Assert.SkipUnless(both > 0, "this system makes no huge pages of a file's small ones (MADV_COLLAPSE, or reading it again)");
    }

    // So that the system keeps it in small pages.
    private string WriteInSmallPieces(string name, byte[] bytes)
    {
        string file = _folder.File(name);
        string header = $"{{{SafetensorsBytes.Entry("a", "F8_E4M3", "[4096,4096]", 0, bytes.Length)}}}";
        using FileStream stream = new(file, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (byte[] piece in SafetensorsBytes.File(Encoding.UTF8.GetBytes(header), bytes).Chunk(Environment.SystemPageSize))
        {
            stream.Write(piece);
        }

        return file;
    }

    /// <summary>Whether the system makes huge pages of a file's small ones, together in memory or by reading them again, asked without the code that is tested.</summary>
    private static unsafe bool MakesHugePages(string file, byte[] bytes)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        using (SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.FlushToDisk(handle);
            AdviseFile(handle, 0, 0, DropFromCache);
        }

        using SafetensorsFile mapped = SafetensorsFile.Open(file);
        TensorView weight = mapped.Tensors[0].View;
        Assert.True(Holds(weight, bytes));
        nint page = ((nint)weight.Data + HugePages.Size - 1) / HugePages.Size * HugePages.Size;
        return Advise(page, HugePages.Size, Collapse) == 0 || ProcessMemory.HugeKilobytes(file) > 0;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nint bytes, int advice);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int AdviseFile(SafeFileHandle file, long offset, long length, int advice);

    private static unsafe bool Holds(TensorView weight, byte[] bytes) => new ReadOnlySpan<byte>(weight.Data, bytes.Length).SequenceEqual(bytes);
}
