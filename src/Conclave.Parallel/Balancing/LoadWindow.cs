using System.Buffers.Binary;
using Conclave.Parallel.Placement;

namespace Conclave.Parallel.Balancing;

/// <summary>The sum of all ranks' reports (<see cref="CountReport"/>) since the last placement was planned.</summary>
internal sealed class LoadWindow(int layers, PlacementShape shape)
{
    private readonly long[] _choices = new long[checked(layers * (shape.Experts + shape.Ranks))];

    /// <summary>Choices of all layers.</summary>
    public long Total { get; private set; }

    /// <summary>Adds this rank's own report.</summary>
    public void Add(ReadOnlySpan<uint> choices)
    {
        for (int i = 0; i < choices.Length; i++)
        {
            Add(i, choices[i]);
        }
    }

    /// <summary>Adds a message of another rank's report.</summary>
    /// <returns>False where the message cannot be.</returns>
    public bool TryAdd(in BalancerMessage message)
    {
        int count = message.Numbers.Length / sizeof(uint);
        if (message.Numbers.Length % sizeof(uint) != 0 || message.Position < 0 || message.Position > _choices.Length - count)
        {
            return false;
        }

        for (int i = 0; i < count; i++)
        {
            Add((int)message.Position + i, BinaryPrimitives.ReadUInt32LittleEndian(message.Numbers[(i * sizeof(uint))..]));
        }

        return true;
    }

    /// <summary>The loads so far; the next window is empty.</summary>
    /// <returns>Loads by expert, and for each layer by rank.</returns>
    public (ExpertLoads Loads, double[][] Ranks) Take()
    {
        int width = shape.Experts + shape.Ranks;
        double[] experts = [.. _choices.Where((_, i) => i % width < shape.Experts).Select(choices => (double)Math.Min(choices, ExpertLoads.Most))];
        double[][] ranks = [.. Enumerable.Range(0, layers).Select(layer => Array.ConvertAll(_choices[((layer * width) + shape.Experts)..((layer + 1) * width)], choices => (double)choices))];
        Array.Clear(_choices);
        Total = 0;
        return (new ExpertLoads(layers, shape.Experts, experts), ranks);
    }

    private void Add(int index, uint choices)
    {
        _choices[index] += choices;
        Total += index % (shape.Experts + shape.Ranks) < shape.Experts ? choices : 0;
    }
}
