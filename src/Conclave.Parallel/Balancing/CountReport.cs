using System.Buffers.Binary;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>What this rank's tokens chose since its last report, and how much of the report has been written to the leader: for each layer choices by expert, then by rank.</summary>
internal sealed class CountReport
{
    private readonly ChoiceCounts _counts;
    private readonly int[] _layers;
    private readonly long[] _seen;
    private readonly uint[] _report;
    private long _reported;
    private int _written;

    /// <summary>A report that is written, of nothing.</summary>
    /// <param name="counts">What the exchange counts.</param>
    /// <param name="layers">The layers that have experts.</param>
    /// <param name="shape">Their experts and ranks.</param>
    public CountReport(ChoiceCounts counts, int[] layers, PlacementShape shape)
    {
        _counts = counts;
        _layers = layers;
        _seen = new long[checked(layers.Length * (shape.Experts + shape.Ranks))];
        _report = new uint[_seen.Length];
        _written = _report.Length;
    }

    /// <summary>Whether the last report was written to its end.</summary>
    public bool IsWritten => _written == _report.Length;

    /// <summary>Choices that no report has.</summary>
    public long Unreported => _counts.Total - _reported;

    /// <summary>The last report.</summary>
    public ReadOnlySpan<uint> Numbers => _report;

    /// <summary>Makes a new report.</summary>
    public void Take()
    {
        int next = 0;
        foreach (int layer in _layers)
        {
            next = Take(_counts.Ranks(layer), Take(_counts.Experts(layer), next));
        }

        _reported = _counts.Total;
    }

    /// <summary>The report has to be written.</summary>
    public void BeginWriting() => _written = 0;

    /// <summary>Writes the next message of the report.</summary>
    /// <returns>Its length.</returns>
    public int Write(Span<byte> memory)
    {
        int length = BalancerMessage.WriteHeader(memory, BalancerMessageKind.Counts, 0, _written);
        for (; !IsWritten && length + sizeof(uint) <= memory.Length; length += sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(memory[length..], _report[_written++]);
        }

        return length;
    }

    private int Take(ReadOnlySpan<long> counts, int next)
    {
        foreach (long count in counts)
        {
            _report[next] = (uint)Math.Min(count - _seen[next], uint.MaxValue);
            _seen[next++] = count;
        }

        return next;
    }
}
