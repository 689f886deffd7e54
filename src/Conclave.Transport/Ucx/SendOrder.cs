namespace Conclave.Transport.Ucx;

/// <summary>
/// Slots of the messages that are on their way to a peer, taken and given back in the order of sending. UCX may be done with a short message while it still reads an earlier long one; whoever
/// sends counts what has left, and would write over the earlier one's memory if the later one were reported first.
/// </summary>
/// <param name="slots">Most messages on their way.</param>
internal sealed class SendOrder(int slots)
{
    private readonly bool[] _left = new bool[slots];
    private int _first;
    private int _count;

    /// <summary>Takes a slot for the next message; false where all are taken.</summary>
    public bool TryBegin(out int slot)
    {
        slot = (_first + _count) % slots;
        if (_count == slots)
        {
            return false;
        }

        _count++;
        return true;
    }

    /// <summary>The message in a slot has left.</summary>
    public void Leave(int slot) => _left[slot] = true;

    /// <summary>Gives back the slot of the earliest message, if that has left.</summary>
    public bool TryEnd(out int slot)
    {
        slot = _first;
        if (!_left[slot])
        {
            return false;
        }

        _left[slot] = false;
        _first = (_first + 1) % slots;
        _count--;
        return true;
    }
}
