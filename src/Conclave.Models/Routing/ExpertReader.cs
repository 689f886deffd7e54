using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// Reads the chosen experts of a layer into memory while the shared expert and the first of them are computed, for models larger than memory. It does so on threads that wait for the
/// disk: an advice that returns at once (madvise, MADV_WILLNEED) brings small pages, with which matrices are multiplied far slower (docs/benchmarks.md, "Less memory than the model").
/// </summary>
internal sealed class ExpertReader : IDisposable
{
    // A disk that is asked for one piece after the other is idle in between.
    private const int ThreadCount = 4;

    private readonly object _lock = new();
    private readonly List<TensorView> _weights = [];
    private readonly bool[] _chosen;
    private readonly List<Thread> _threads = [];
    private int _layer;
    private int _next;
    private bool _ends;

    /// <summary>Prepares for layers of so many routed experts.</summary>
    public ExpertReader(int experts) => _chosen = new bool[experts];

    /// <summary>
    /// Asks for experts in the order in which they will be computed. What was asked for in another layer and is not begun is dropped: that layer has been computed since. The other
    /// micro-batch of a step may still need what it asked for in the same layer.
    /// </summary>
    /// <param name="layer">The layer.</param>
    /// <param name="weights">Experts that are here.</param>
    /// <param name="experts">Which they are.</param>
    /// <param name="routing">Which experts the tokens chose.</param>
    public void Request(int layer, ReadOnlySpan<MlpWeights> weights, IReadOnlyList<int> experts, in Routing routing)
    {
        Array.Clear(_chosen);
        for (int token = 0; token < routing.Tokens; token++)
        {
            foreach (int expert in routing.Experts(token))
            {
                if (expert >= 0)
                {
                    _chosen[expert] = true;
                }
            }
        }

        lock (_lock)
        {
            if (layer != _layer || _next == _weights.Count)
            {
                _weights.Clear();
                _next = 0;
                _layer = layer;
            }

            for (int i = 0; i < weights.Length; i++)
            {
                if (_chosen[experts[i]])
                {
                    _weights.Add(weights[i].Gate);
                    _weights.Add(weights[i].Up);
                    _weights.Add(weights[i].Down);
                }
            }

            Monitor.PulseAll(_lock);
        }

        while (_threads.Count < ThreadCount)
        {
            Thread thread = new(Read) { IsBackground = true, Name = "conclave reader" };
            _threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>Ends the threads, after what they have begun: weights may be unmapped then.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _ends = true;
            Monitor.PulseAll(_lock);
        }

        _threads.ForEach(thread => thread.Join());
    }

    private void Read()
    {
        while (Take() is { } weight)
        {
            MappedPages.Load(weight);
        }
    }

    /// <summary>The next matrix, once there is one; null at the end.</summary>
    private TensorView? Take()
    {
        lock (_lock)
        {
            while (_next == _weights.Count && !_ends)
            {
                Monitor.Wait(_lock);
            }

            return _ends ? null : _weights[_next++];
        }
    }
}
