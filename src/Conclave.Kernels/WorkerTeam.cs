namespace Conclave.Kernels;

/// <summary>One piece of work that a team does together.</summary>
public interface IWork
{
    /// <summary>Does this worker's part.</summary>
    /// <param name="worker">Which worker: 0 … workers − 1; 0 is the calling thread.</param>
    /// <param name="workers">How many take part.</param>
    void Run(int worker, int workers);
}

/// <summary>A fork-join team of threads. Calls come from one thread at a time; nothing is allocated on the managed heap by a call.</summary>
public sealed unsafe class WorkerTeam : IDisposable
{
    /// <summary>Starts the team: the calling thread and <paramref name="threads"/> − 1 of its own.</summary>
    public WorkerTeam(int threads) => Count = threads;

    /// <summary>Number of workers, the calling thread included.</summary>
    public int Count { get; }

    /// <summary>Runs the work on all workers and returns when all are done.</summary>
    public void Run<TWork>(in TWork work) where TWork : struct, IWork => throw new NotSupportedException();

    /// <summary>Native memory of at least that size that belongs to one worker until its part ends; its content is undefined.</summary>
    public byte* Scratch(int worker, nint bytes) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
