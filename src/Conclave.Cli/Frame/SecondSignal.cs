using System.Runtime.InteropServices;

namespace Conclave.Cli.Frame;

/// <summary>The signal of somebody who does not wait any longer for what the first one asked for. Its default effect would leave behind what the command has started; a third one has it.</summary>
internal sealed class SecondSignal : IDisposable
{
    private readonly CancellationTokenSource _come = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private int _signals;

    /// <summary>Begins to listen.</summary>
    /// <param name="first">Cancelled where the first one has come already.</param>
    public SecondSignal(CancellationToken first)
    {
        _signals = first.IsCancellationRequested ? 1 : 0;
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Count);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Count);
    }

    /// <summary>Cancelled when it comes.</summary>
    public CancellationToken Token => _come.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _come.Dispose();
    }

    private void Count(PosixSignalContext context)
    {
        if (Interlocked.Increment(ref _signals) == 2)
        {
            context.Cancel = true;
            _come.Cancel();
        }
    }
}
