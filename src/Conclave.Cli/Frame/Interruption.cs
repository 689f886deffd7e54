namespace Conclave.Cli.Frame;

/// <summary>What Ctrl-C ends instead of the command: an answer in a conversation.</summary>
internal static class Interruption
{
    private static readonly Lock Gate = new();
    private static CancellationTokenSource? _underWay;

    /// <summary>Does work that the next Ctrl-C ends alone; the one after it ends the command.</summary>
    /// <param name="work">The work; it ends early where its token asks for it.</param>
    /// <param name="command">Ends the command.</param>
    public static T EndsOnly<T>(Func<CancellationToken, T> work, CancellationToken command)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(command);
        Set(end);
        try
        {
            return work(end.Token);
        }
        finally
        {
            Set(null);
        }
    }

    /// <summary>Ends what is under way.</summary>
    /// <returns>False where the command is to end.</returns>
    public static bool TryEnd()
    {
        lock (Gate)
        {
            bool ends = _underWay is not null;
            _underWay?.Cancel();
            _underWay = null;
            return ends;
        }
    }

    private static void Set(CancellationTokenSource? end)
    {
        lock (Gate)
        {
            _underWay = end;
        }
    }
}
