namespace Conclave.Parallel.Exchange;

/// <summary>All ways of one kind from this rank in one exchange.</summary>
internal abstract class Outflow(MessageKind kind, int world)
{
    private readonly bool[] _open = new bool[world];

    public MessageKind Kind => kind;

    /// <summary>Ways that have not ended.</summary>
    public int Open { get; private set; }

    /// <summary>Whether the way to a rank has not ended.</summary>
    public bool IsOpen(int peer) => _open[peer];

    /// <summary>Begins the ways to these ranks.</summary>
    public virtual void Begin(ReadOnlySpan<int> targets)
    {
        foreach (int target in targets)
        {
            _open[target] = true;
        }

        Open = targets.Length;
    }

    /// <summary>Writes the next message to a rank.</summary>
    /// <returns>False where there is nothing to send now.</returns>
    public bool TryWrite(int peer, ref MessageWriter writer)
    {
        if (!_open[peer] || !TryFill(peer, ref writer))
        {
            return false;
        }

        if (writer.IsLast)
        {
            _open[peer] = false;
            Open--;
        }

        return true;
    }

    /// <summary>Fills a message as far as it goes; a message that is neither full nor the last is not worth sending.</summary>
    protected abstract bool TryFill(int peer, ref MessageWriter writer);
}
