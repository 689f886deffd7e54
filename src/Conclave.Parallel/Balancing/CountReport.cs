using System.Buffers.Binary;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Balancing;

/// <summary>What this rank's tokens chose since its last report, and how much of the report has been written to the leader.</summary>
internal sealed class CountReport
{
    private readonly ExpertCounts _counts;
    private readonly int[] _layers;
    private readonly int _experts;
    private readonly long[] _seen;
    private readonly uint[] _report;
    private long _reported;
    private int _written;

    /// <summary>A report that is written, of nothing.</summary>
    /// <param name="counts">What the exchange counts.</param>
    /// <param name="layers">The layers that have experts.</param>
    /// <param name="experts">Experts of a layer.</param>
    public CountReport(ExpertCounts counts, int[] layers, int experts)
    {
        _counts = counts;
        _layers = layers;
        _experts = experts;
        _seen = new long[checked(layers.Length * experts)];
        _report = new uint[_seen.Length];
        _written = _report.Length;
    }

    /// <summary>Whether the last report was written to its end.</summary>
    public bool IsWritten => _written == _report.Length;

    /// <summary>Choices that no report has.</summary>
    public long Unreported => _counts.Total - _reported;

    /// <summary>Choices by layer and expert.</summary>
    public ReadOnlySpan<uint> Choices => _report;

    /// <summary>Makes a new report.</summary>
    public void Take()
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            ReadOnlySpan<long> counts = _counts.Of(_layers[i]);
            for (int expert = 0; expert < _experts; expert++)
            {
                ref long seen = ref _seen[(i * _experts) + expert];
                _report[(i * _experts) + expert] = (uint)Math.Min(counts[expert] - seen, uint.MaxValue);
                seen = counts[expert];
            }
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
}
