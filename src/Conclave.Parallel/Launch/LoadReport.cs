using System.Diagnostics;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Launch;

/// <summary>Tells the coordinator how often this rank's tokens chose each expert, for the metrics of rank 0.</summary>
/// <param name="connection">The control channel.</param>
/// <param name="choices">What the exchange counts; belongs to the thread that calls here.</param>
internal sealed class LoadReport(RankConnection connection, ChoiceCounts choices)
{
    // Nobody looks more often; told with each step it would be as many bytes as hidden states.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ControlWriter _message = new();
    private readonly long[][] _told = [.. Enumerable.Range(0, choices.Layers).Select(layer => new long[choices.Experts(layer).Length])];
    private long _toldInAll;
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>Sends what is new, unless it has just done so.</summary>
    public void SendIfDue()
    {
        if (choices.Total == _toldInAll || Stopwatch.GetElapsedTime(_last) < Pause)
        {
            return;
        }

        _message.Clear();
        for (int layer = 0; layer < _told.Length; layer++)
        {
            ReadOnlySpan<long> chosen = choices.Experts(layer);
            for (int expert = 0; expert < chosen.Length; expert++)
            {
                _message.Int32(checked((int)(chosen[expert] - _told[layer][expert])));
                _told[layer][expert] = chosen[expert];
            }
        }

        (_toldInAll, _last) = (choices.Total, Stopwatch.GetTimestamp());
        connection.Send(ControlKind.Loads, _message.Written);
    }
}
