using Conclave.Checkpoints;
using Spectre.Console;

namespace Conclave.Cli.Frame;

/// <summary>A progress bar on standard error for what takes more than a second.</summary>
internal static class LoadingProgress
{
    /// <summary>Runs the work; the bar appears after a second, and only on a terminal.</summary>
    public static T Run<T>(Func<IProgress<CheckpointProgress>?, T> work)
    {
        if (Terminal.Progress() is not { } console)
        {
            return work(null);
        }

        Latest latest = new();
        Task<T> running = Task.Run(() => work(latest));
        if (!running.Wait(TimeSpan.FromSeconds(1)))
        {
            console.Progress().AutoClear(true).Start(context =>
            {
                ProgressTask bar = context.AddTask("opening the checkpoint");
                while (!running.Wait(TimeSpan.FromMilliseconds(100)))
                {
                    bar.MaxValue = Math.Max(latest.Value.Files, 1);
                    bar.Value = latest.Value.FilesOpened;
                }
            });
        }

        return running.GetAwaiter().GetResult();
    }

    private sealed class Latest : IProgress<CheckpointProgress>
    {
        private readonly Lock _lock = new();
        private CheckpointProgress _value;

        public CheckpointProgress Value
        {
            get
            {
                lock (_lock)
                {
                    return _value;
                }
            }
        }

        public void Report(CheckpointProgress value)
        {
            lock (_lock)
            {
                _value = value;
            }
        }
    }
}
