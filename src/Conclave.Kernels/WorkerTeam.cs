using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>One piece of work that a team does together.</summary>
public interface IWork
{
    /// <summary>Does this worker's part.</summary>
    /// <param name="worker">Which worker: 0 … workers − 1; 0 is the calling thread.</param>
    /// <param name="workers">How many take part.</param>
    void Run(int worker, int workers);
}

/// <summary>
/// A fork-join team of threads. Calls come from one thread at a time; nothing is allocated on the managed heap by a call. The team's own threads
/// are pinned to one core each where the team fills the cores that the process may use; a smaller team is left to the scheduler, because other
/// teams then share those cores and all would choose the same ones. The calling thread belongs to somebody else and is never pinned: it finds the
/// core that the others leave free.
/// </summary>
public sealed unsafe class WorkerTeam : IDisposable
{
    private const nuint ScratchAlignment = 64;
    private const nint ScratchGranularity = 4096;

    // Longer than the gap between two operators of a step, far shorter than anything that waits for a core of a busy machine would notice.
    private static readonly TimeSpan SpinTime = TimeSpan.FromMicroseconds(25);

    private readonly Thread[] _threads;
    private readonly Parker[] _parkers;
    private readonly Piece[] _scratch;
    private readonly TimeSpan _spin;
    private delegate*<void*, int, int, void> _job;
    private void* _argument;
    private ExceptionDispatchInfo? _failure;
    private int _generation;
    private int _finished;
    private int _pending;
    private int _running;
    private bool _disposed;

    /// <summary>Starts the team: the calling thread and <paramref name="threads"/> − 1 of its own.</summary>
    /// <param name="threads">Number of workers.</param>
    /// <param name="teams">Teams of this size that share the machine, this one included, also those of other processes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive.</exception>
    public WorkerTeam(int threads, int teams = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(teams, 1);
        Count = threads;
        _scratch = new Piece[threads];
        _parkers = new Parker[threads];
        _threads = new Thread[threads - 1];

        // A thread that waits may spin only on a core that nobody else needs.
        _spin = (long)threads * teams <= Environment.ProcessorCount ? SpinTime : TimeSpan.Zero;
        int[] cores = ThreadAffinity.AllowedCores();
        for (int i = 0; i < threads; i++)
        {
            _parkers[i] = new Parker();
        }

        for (int worker = 1; worker < threads; worker++)
        {
            int self = worker;
            int core = teams == 1 && cores.Length == threads ? cores[worker] : -1;
            _threads[worker - 1] = new Thread(() => Serve(self, core)) { IsBackground = true, Name = $"conclave worker {worker}" };
            _threads[worker - 1].Start();
        }
    }

    /// <summary>Frees the scratch memory of a team of one worker that nobody disposed. The threads of a larger one hold it for as long as the process runs.</summary>
    ~WorkerTeam() => FreeScratch();

    /// <summary>Threads that can run at once: the cores that this process may use, bounded by its container's quota. A quota of 1.5 cores counts as two: one thread would leave a third of it unused.</summary>
    public static int DefaultThreads => Environment.ProcessorCount;

    /// <summary>Number of workers, the calling thread included.</summary>
    public int Count { get; }

    /// <summary>Runs the work on all workers and returns when all are done. The first exception of any of them is thrown again here.</summary>
    /// <exception cref="InvalidOperationException">The team is at work already: calls neither nest nor come from two threads at once.</exception>
    /// <exception cref="ObjectDisposedException">The team was disposed.</exception>
    public void Run<TWork>(in TWork work) where TWork : struct, IWork, allows ref struct
    {
        Enter();
        try
        {
            TWork copy = work;
            void* argument = Unsafe.AsPointer(ref copy);
            _failure = null;
            if (Count > 1)
            {
                Start(&Invoke<TWork>, argument);
            }

            try
            {
                copy.Run(0, Count);
            }
            catch (Exception e)
            {
                Fail(e);
            }

            if (Count > 1)
            {
                _parkers[0].WaitWhile(ref _finished, _generation - 1, _spin);
            }

            _failure?.Throw();
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// Native memory of at least that size, aligned to 64 bytes, that belongs to one worker until its part ends or it asks again; its content is undefined.
    /// </summary>
    /// <exception cref="OutOfMemoryException">The system has no such memory.</exception>
    public byte* Scratch(int worker, nint bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ref Piece piece = ref _scratch[worker];
        if (piece.Bytes < bytes)
        {
            nint size = checked((Math.Max(bytes, piece.Bytes * 2) + ScratchGranularity - 1) / ScratchGranularity * ScratchGranularity);
            NativeMemory.AlignedFree(piece.Data);
            piece = default;
            piece = new Piece { Data = NativeMemory.AlignedAlloc((nuint)size, ScratchAlignment), Bytes = size };
            HugePages.Request(piece.Data, size);
        }

        return (byte*)piece.Data;
    }

    /// <summary>Ends the team's threads and frees its memory.</summary>
    /// <exception cref="InvalidOperationException">The team is at work.</exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        Enter();
        _disposed = true;
        Interlocked.Increment(ref _generation);
        foreach (Parker parker in _parkers)
        {
            parker.Wake();
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        foreach (Parker parker in _parkers)
        {
            parker.Dispose();
        }

        FreeScratch();
        Leave();
        GC.SuppressFinalize(this);
    }

    private static void Invoke<TWork>(void* work, int worker, int workers) where TWork : struct, IWork, allows ref struct =>
        Unsafe.AsRef<TWork>(work).Run(worker, workers);

    private void Enter()
    {
        if (Interlocked.CompareExchange(ref _running, 1, 0) != 0)
        {
            throw new InvalidOperationException("the worker team is at work already; its calls neither nest nor come from two threads at once");
        }

        if (_disposed)
        {
            Leave();
            throw new ObjectDisposedException(nameof(WorkerTeam));
        }
    }

    private void Leave() => Volatile.Write(ref _running, 0);

    private void Start(delegate*<void*, int, int, void> job, void* argument)
    {
        _job = job;
        _argument = argument;
        _pending = Count - 1;
        Interlocked.Increment(ref _generation);
        for (int worker = 1; worker < Count; worker++)
        {
            _parkers[worker].Wake();
        }
    }

    private void Serve(int worker, int core)
    {
        if (core >= 0)
        {
            ThreadAffinity.Pin(core);
        }

        for (int generation = 0; ; generation++)
        {
            _parkers[worker].WaitWhile(ref _generation, generation, _spin);
            if (_disposed)
            {
                return;
            }

            try
            {
                _job(_argument, worker, Count);
            }
            catch (Exception e)
            {
                Fail(e);
            }

            if (Interlocked.Decrement(ref _pending) == 0)
            {
                Interlocked.Exchange(ref _finished, generation + 1);
                _parkers[0].Wake();
            }
        }
    }

    private void Fail(Exception e) => Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);

    private void FreeScratch()
    {
        foreach (ref Piece piece in _scratch.AsSpan())
        {
            NativeMemory.AlignedFree(piece.Data);
            piece = default;
        }
    }

    private struct Piece
    {
        public void* Data;
        public nint Bytes;
    }
}
