namespace Conclave.Kernels.Tests;

public sealed unsafe class WorkerTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(64)]
    public void Every_worker_takes_part_in_every_run_once(int threads)
    {
        using WorkerTeam team = new(threads);
        int* counts = stackalloc int[threads];
        const int Runs = 300;
        for (int run = 1; run <= Runs; run++)
        {
            // All parts of a run are visible when it returns.
            team.Run(new CountParts(counts));
            for (int worker = 0; worker < threads; worker++)
            {
                Assert.Equal(run, counts[worker]);
            }
        }
    }

    [Fact]
    public void Pauses_between_runs_park_and_wake()
    {
        using WorkerTeam team = new(4);
        int* counts = stackalloc int[4];
        for (int run = 1; run <= 30; run++)
        {
            team.Run(new CountParts(counts));
            Thread.Sleep(run % 3);
        }

        Assert.Equal([30, 30, 30, 30], new Span<int>(counts, 4).ToArray());
    }

    [Fact]
    public void Many_teams_on_few_cores_all_finish()
    {
        int finished = 0;
        Thread[] threads = [.. Enumerable.Range(0, 6).Select(_ => new Thread(() =>
        {
            int* counts = stackalloc int[5];
            using WorkerTeam team = new(5);
            for (int run = 0; run < 200; run++)
            {
                team.Run(new CountParts(counts));
            }

            Interlocked.Add(ref finished, counts[4]);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(1200, finished);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(3, 2)]
    public void An_exception_reaches_the_caller_after_all_are_done(int threads, int thrower)
    {
        using WorkerTeam team = new(threads);
        int* counts = stackalloc int[threads];
        NotSupportedException e = Assert.Throws<NotSupportedException>(() => team.Run(new CountThenThrow(counts, thrower)));
        Assert.Equal($"worker {thrower}", e.Message);
        Assert.All(new Span<int>(counts, threads).ToArray(), count => Assert.Equal(1, count));

        team.Run(new CountParts(counts));
        Assert.All(new Span<int>(counts, threads).ToArray(), count => Assert.Equal(2, count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Nested_and_concurrent_runs_are_refused(int threads)
    {
        using WorkerTeam team = new(threads);
        Assert.Throws<InvalidOperationException>(() => team.Run(new Nest(team)));

        using ManualResetEventSlim started = new();
        using ManualResetEventSlim release = new();
        Thread other = new(() => team.Run(new Block(started, release)));
        other.Start();
        started.Wait(TestContext.Current.CancellationToken);
        Assert.Throws<InvalidOperationException>(() => team.Run(default(Nothing)));
        Assert.Throws<InvalidOperationException>(team.Dispose);
        release.Set();
        other.Join();
        team.Run(default(Nothing));
    }

    [Fact]
    public void A_disposed_team_refuses_work_and_has_no_threads()
    {
        WorkerTeam team = new(3);
        Thread?[] seen = new Thread?[3];
        team.Run(new Remember(seen));
        team.Dispose();
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => team.Run(default(Nothing)));
        Assert.Same(Thread.CurrentThread, seen[0]);
        Assert.All(seen[1..], thread => Assert.False(thread!.IsAlive));
        Assert.Equal(["conclave worker 1", "conclave worker 2"], seen[1..].Select(thread => thread!.Name));
    }

    [Fact]
    public void Scratch_is_aligned_grows_and_is_each_workers_own()
    {
        using WorkerTeam team = new(3);
        for (nint bytes = 1; bytes < 3_000_000; bytes *= 7)
        {
            team.Run(new UseScratch(team, bytes));
        }

        byte* kept = team.Scratch(1, 100);
        Assert.True(kept == team.Scratch(1, 800_000), "memory that suffices is kept");
    }

    [Fact]
    public void A_team_needs_a_thread() => Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerTeam(0));

    private readonly struct CountParts(int* counts) : IWork
    {
        public void Run(int worker, int workers) => counts[worker]++;
    }

    private readonly struct CountThenThrow(int* counts, int thrower) : IWork
    {
        public void Run(int worker, int workers)
        {
            if (worker != thrower)
            {
                Thread.Sleep(20);
            }

            counts[worker]++;
            if (worker == thrower)
            {
                throw new NotSupportedException($"worker {worker}");
            }
        }
    }

    private readonly struct Nothing : IWork
    {
        public void Run(int worker, int workers)
        {
        }
    }

    private readonly struct Nest(WorkerTeam team) : IWork
    {
        public void Run(int worker, int workers) => team.Run(default(Nothing));
    }

    private readonly struct Block(ManualResetEventSlim started, ManualResetEventSlim release) : IWork
    {
        public void Run(int worker, int workers)
        {
            started.Set();
            release.Wait();
        }
    }

    private readonly struct Remember(Thread?[] seen) : IWork
    {
        public void Run(int worker, int workers) => seen[worker] = Thread.CurrentThread;
    }

    private readonly struct UseScratch(WorkerTeam team, nint bytes) : IWork
    {
        public void Run(int worker, int workers)
        {
            byte* memory = team.Scratch(worker, bytes);
            Assert.Equal(0, (nint)memory % 64);
            new Span<byte>(memory, (int)bytes).Fill((byte)worker);
            Thread.Yield();
            Assert.Equal(-1, new Span<byte>(memory, (int)bytes).IndexOfAnyExcept((byte)worker));
        }
    }
}
