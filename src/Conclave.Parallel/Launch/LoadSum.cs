namespace Conclave.Parallel.Launch;

/// <summary>How often the tokens of all ranks but the leader chose each expert, as the coordinator sums it for the leader. Any thread may call.</summary>
/// <param name="experts">Experts of all layers together.</param>
internal sealed class LoadSum(int experts)
{
    private readonly Lock _gate = new();
    private readonly long[] _chosen = new long[experts];
    private bool _isNew;

    /// <summary>Adds what a rank has told.</summary>
    /// <exception cref="ControlException">It is no such message.</exception>
    public void Add(ControlFrame frame)
    {
        ControlReader reader = new(frame.Kind, frame.Body);
        lock (_gate)
        {
            foreach (ref long chosen in _chosen.AsSpan())
            {
                chosen += reader.Int32("choices", 0, int.MaxValue);
            }

            _isNew = true;
        }

        reader.End();
    }

    /// <summary>The message to the leader; null where it knows everything.</summary>
    public ControlWriter? Take()
    {
        lock (_gate)
        {
            if (!_isNew)
            {
                return null;
            }

            _isNew = false;
            ControlWriter message = new();
            foreach (long chosen in _chosen)
            {
                message.Int64(chosen);
            }

            return message;
        }
    }
}
