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
        string file = _folder.File("model.safetensors");
        byte[] bytes = new byte[Huge];
        new Random(1).NextBytes(bytes);
        string header = $"{{{SafetensorsBytes.Entry("a", "F8_E4M3", "[4096,4096]", 0, Huge)}}}";

        // In small pieces, so that the system keeps it in small pages.
        byte[] whole = SafetensorsBytes.File(Encoding.UTF8.GetBytes(header), bytes);
        using (FileStream stream = new(file, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            foreach (byte[] piece in whole.Chunk(Environment.SystemPageSize))
            {
                stream.Write(piece);
            }
        }

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
        Assert.InRange(first + mapped.PromotePages(true, TestContext.Current.CancellationToken), 0, 8);
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        Assert.Equal(0, mapped.PromotePages(true, cancelled.Token));
    }

    private static unsafe bool Holds(TensorView weight, byte[] bytes) => new ReadOnlySpan<byte>(weight.Data, bytes.Length).SequenceEqual(bytes);
}
