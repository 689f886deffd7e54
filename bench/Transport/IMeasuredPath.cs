using System.Diagnostics;

namespace Conclave.Transport.Bench;

/// <summary>A way between two ranks.</summary>
internal interface IMeasuredPath
{
    int Rank { get; }

    /// <summary>Sends a message to the other rank, waiting where there is no room.</summary>
    void Send(int bytes);

    /// <summary>Waits until so many messages of the other rank have come.</summary>
    void Receive(int messages);
}

/// <summary>What is measured on a path.</summary>
internal static class Measurement
{
    private const int Repeats = 5;
    private const int BytesOfTrips = 8 << 20;
    private const int BytesOfStream = 32 << 20;

    /// <summary>Half of a round trip in µs, and the bytes a second of messages in one direction, each the median of five runs after one that is not counted. Both ranks call it.</summary>
    public static (double Microseconds, double BytesPerSecond) Run(IMeasuredPath path, int bytes)
    {
        int trips = Math.Clamp(BytesOfTrips / bytes, 10, 2000);
        int messages = Math.Clamp(BytesOfStream / bytes, 20, 4000);
        double[] halves = [.. Enumerable.Range(0, Repeats + 1).Select(_ => PingPong(path, bytes, trips) / trips / 2 * 1e6).Skip(1).Order()];
        double[] rates = [.. Enumerable.Range(0, Repeats + 1).Select(_ => (double)bytes * messages / Stream(path, bytes, messages)).Skip(1).Order()];
        return (halves[Repeats / 2], rates[Repeats / 2]);
    }

    private static double PingPong(IMeasuredPath path, int bytes, int trips)
    {
        long start = Stopwatch.GetTimestamp();
        for (int trip = 0; trip < trips; trip++)
        {
            if (path.Rank == 0)
            {
                path.Send(bytes);
                path.Receive(1);
            }
            else
            {
                path.Receive(1);
                path.Send(bytes);
            }
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    // From the first message to the other's answer to the last.
    private static double Stream(IMeasuredPath path, int bytes, int messages)
    {
        long start = Stopwatch.GetTimestamp();
        if (path.Rank == 0)
        {
            for (int message = 0; message < messages; message++)
            {
                path.Send(bytes);
            }

            path.Receive(1);
        }
        else
        {
            path.Receive(messages);
            path.Send(1);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
