namespace Conclave.Parallel.Exchange;

/// <summary>A list of items for each peer, in the order of their arrival. Items are numbers that belong to one list each.</summary>
internal sealed class PeerLists
{
    private readonly int[] _first;
    private readonly int[] _last;
    private readonly int[] _next;

    public PeerLists(int peers, int maxItems)
    {
        _first = new int[peers];
        _last = new int[peers];
        _next = new int[maxItems];
        Clear();
    }

    /// <summary>The first item of a peer; −1 where it has none.</summary>
    public int First(int peer) => _first[peer];

    /// <summary>The item behind another of the same peer; −1 behind the last.</summary>
    public int Next(int item) => _next[item];

    /// <summary>The last item of a peer; −1 where it has none.</summary>
    public int Last(int peer) => _last[peer];

    public void Append(int peer, int item)
    {
        _next[item] = -1;
        if (_last[peer] < 0)
        {
            _first[peer] = item;
        }
        else
        {
            _next[_last[peer]] = item;
        }

        _last[peer] = item;
    }

    public void Clear()
    {
        Array.Fill(_first, -1);
        Array.Fill(_last, -1);
    }
}
