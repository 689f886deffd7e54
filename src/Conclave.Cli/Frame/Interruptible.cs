namespace Conclave.Cli.Frame;

/// <summary>Calls that cannot be cancelled themselves: reading from a terminal or a pipe on which nothing arrives.</summary>
internal static class Interruptible
{
    /// <summary>
    /// Waits for a blocking call. When cancelled the call is left behind on its thread, which does not keep the process alive: the command is
    /// about to end.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled first.</exception>
    public static T Wait<T>(Func<T> blocking, CancellationToken cancellation)
    {
        Task<T> call = Task.Run(blocking, CancellationToken.None);
        Task.WaitAny([call], cancellation);
        return call.GetAwaiter().GetResult();
    }
}
