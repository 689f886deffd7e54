using Conclave.Checkpoints;
using Spectre.Console;

namespace Conclave.Cli.Frame;

/// <summary>A bar on standard error for work that takes more than a second; nothing where standard error is no terminal.</summary>
internal static class ProgressBar
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100);

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
        if (Task.WaitAny([running], Patience) < 0)
        {
            console.Progress().AutoClear(true).Columns(
                new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
                {
                    ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                    while (Task.WaitAny([running], Redraw) < 0)
                    {
                        task.Value = Volatile.Read(ref done);
                    }
                });
        }

        return running.GetAwaiter().GetResult();
    }

    /// <summary>Opens a checkpoint and shows how many of its files are open.</summary>
    public static T Opening<T>(Func<IProgress<CheckpointProgress>, T> open) => Run(
        "opening the checkpoint", open, static (CheckpointProgress done) => (double)done.FilesOpened / Math.Max(done.Files, 1));

    // Progress<T> would post each report to the thread pool, where they may overtake each other.
    private sealed class Report<T>(Action<T> receive) : IProgress<T>
    {
        void IProgress<T>.Report(T value) => receive(value);
    }
}
