using System.Diagnostics;
using Spectre.Console;

namespace Conclave.Cli.Frame;

/// <summary>A bar on standard error for work that takes more than a second; nothing where standard error is no terminal.</summary>
internal static class ProgressBar
{
    /// <summary>Does the work and shows how far it is.</summary>
    /// <param name="title">What is done.</param>
    /// <param name="work">The work; it reports to what it is given, from any thread.</param>
    /// <param name="fraction">From a report to 0 … 1.</param>
    public static TResult Run<TResult, TReport>(string title, Func<IProgress<TReport>, TResult> work, Func<TReport, double> fraction)
    {
        if (Terminal.Progress() is not { } console)
        {
            return work(new Report<TReport>(_ => { }));
        }

        // The bar needs a thread that redraws it: the work moves to another one.
        double done = 0;
        Task<TResult> running = Task.Run(() => work(new Report<TReport>(report => Volatile.Write(ref done, fraction(report)))));
        Stopwatch watch = Stopwatch.StartNew();
        while (!running.IsCompleted && watch.ElapsedMilliseconds < 1000)
        {
            Thread.Sleep(20);
        }

        if (!running.IsCompleted)
        {
            console.Progress().AutoClear(true).Columns(
                new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
                {
                    ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                    while (!running.IsCompleted)
                    {
                        task.Value = Volatile.Read(ref done);
                        Thread.Sleep(100);
                    }
                });
        }

        return running.GetAwaiter().GetResult();
    }

    // Progress<T> would post each report to the thread pool, where they may overtake each other.
    private sealed class Report<T>(Action<T> receive) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => receive(value);
    }
}
