using Conclave.Primitives;

namespace Conclave.Models.Tests;

/// <summary>The gather of ranks that are threads of one process and read each other's memory.</summary>
internal sealed class SharedMemoryGather : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Barrier _barrier;
    private readonly TensorView[] _published;

    private SharedMemoryGather(int ranks)
    {
        _barrier = new Barrier(ranks);
        _published = new TensorView[ranks];
    }

    /// <summary>Runs the ranks of a group, a thread for each.</summary>
    public static void Run(int ranks, Action<AttentionPartition> rank)
    {
        using SharedMemoryGather shared = new(ranks);
        Task[] threads = [.. Enumerable.Range(0, ranks).Select(number =>
            Task.Factory.StartNew(() => rank(new AttentionPartition(number, ranks, new End(shared, number))), TaskCreationOptions.LongRunning))];
        Task.WaitAll(threads);
    }

    public void Dispose() => _barrier.Dispose();

    private void Meet() => Assert.True(_barrier.SignalAndWait(Patience), "a rank of the group is missing");

    // Without a limit: who left early would free what another one still copies from. All who have met come here, whatever befell them.
    private void Part() => _barrier.SignalAndWait();

    private sealed class End(SharedMemoryGather shared, int rank) : IRankGather
    {
        public void Gather(ReadOnlySpan<TensorView> parts)
        {
            Assert.Equal(shared._published.Length, parts.Length);
            shared._published[rank] = parts[rank];
            shared.Meet();
            try
            {
                for (int other = 0; other < parts.Length; other++)
                {
                    TensorView theirs = shared._published[other];
                    Assert.Equal((theirs.Rows, theirs.Columns), (parts[other].Rows, parts[other].Columns));
                    for (nint row = 0; row < theirs.Rows; row++)
                    {
                        theirs.RowF32(row).CopyTo(parts[other].RowF32(row));
                    }
                }
            }
            finally
            {
                shared.Part();
            }
        }
    }
}
