namespace Conclave.Parallel.Placement;

/// <summary>The slots of one layer while they are planned: who is where and what each rank has to do. Loads divide evenly over replicas.</summary>
internal sealed class LayerPlan(PlacementShape shape)
{
    private readonly double[] _loads = new double[shape.Experts];
    private readonly int[] _replicas = new int[shape.Experts];
    private readonly double[] _shares = new double[shape.Experts];
    private readonly int[] _homes = new int[shape.Experts];
    private readonly int[] _experts = new int[shape.Slots];
    private readonly double[] _rankLoads = new double[shape.Ranks];
    private readonly (int First, int Count)[] _hostRanks =
        [.. Enumerable.Range(0, shape.Ranks).GroupBy(shape.HostOf).Select(ranks => (ranks.First(), ranks.Count()))];

    /// <summary>In a slot without an expert.</summary>
    public const int Free = -1;

    public PlacementShape Shape => shape;

    public ReadOnlySpan<double> Loads => _loads;

    public ReadOnlySpan<int> Replicas => _replicas;

    /// <summary>Load per replica by expert.</summary>
    public ReadOnlySpan<double> Shares => _shares;

    /// <summary>The host that keeps at least one replica of an expert; −1 where any may.</summary>
    public Span<int> Homes => _homes;

    public ReadOnlySpan<int> Experts => _experts;

    public ReadOnlySpan<double> RankLoads => _rankLoads;

    public double Mean { get; private set; }

    /// <summary>Forgets everything; the greedy numbers of replicas are given, no slot is taken.</summary>
    public void Begin(ReadOnlySpan<double> loads)
    {
        TakeLoads(loads);
        ReplicaCounts.Fill(loads, shape.Slots, shape.Ranks, _replicas, _shares);
        _experts.AsSpan().Fill(Free);
        _rankLoads.AsSpan().Clear();
        _homes.AsSpan().Fill(-1);
    }

    /// <summary>Forgets everything and takes the experts of all slots. Where groups stay on hosts, those that are on one have it as their home.</summary>
    public void Adopt(ReadOnlySpan<double> loads, ReadOnlySpan<int> experts)
    {
        TakeLoads(loads);
        Restore(experts);
        _homes.AsSpan().Fill(-1);
        for (int group = 0; shape.KeepsGroups && group < shape.Groups; group++)
        {
            FindHome(group);
        }
    }

    /// <summary>Takes the experts of all slots for the loads and homes that it has.</summary>
    public void Restore(ReadOnlySpan<int> experts)
    {
        _replicas.AsSpan().Clear();
        experts.CopyTo(_experts);
        foreach (int expert in experts)
        {
            _replicas[expert]++;
        }

        for (int expert = 0; expert < _shares.Length; expert++)
        {
            _shares[expert] = _loads[expert] / _replicas[expert];
        }

        SumRanks();
    }

    /// <summary>The ranks of a host: the first one and how many.</summary>
    public (int First, int Count) RanksOf(int host) => _hostRanks[host];

    public ReadOnlySpan<int> OnRank(int rank) => _experts.AsSpan(rank * shape.SlotsPerRank, shape.SlotsPerRank);

    public ReadOnlySpan<int> OnHost(int host) =>
        _experts.AsSpan(_hostRanks[host].First * shape.SlotsPerRank, _hostRanks[host].Count * shape.SlotsPerRank);

    public double HostLoad(int host)
    {
        double sum = 0;
        foreach (double load in _rankLoads.AsSpan(_hostRanks[host].First, _hostRanks[host].Count))
        {
            sum += load;
        }

        return sum;
    }

    /// <summary>The rank with the largest load.</summary>
    public int Heaviest()
    {
        int heaviest = 0;
        for (int rank = 1; rank < _rankLoads.Length; rank++)
        {
            heaviest = _rankLoads[rank] > _rankLoads[heaviest] ? rank : heaviest;
        }

        return heaviest;
    }

    public double MaxLoad() => _rankLoads[Heaviest()];

    /// <summary>
    /// True where a replica may go from a rank to another: not beside another replica, not from a host of its own to one that has a replica, not the last one from home.
    /// </summary>
    public bool MayMove(int expert, int from, int to)
    {
        int left = shape.HostOf(from);
        int entered = shape.HostOf(to);
        if (_replicas[expert] == 1)
        {
            return left == entered || _homes[expert] != left;
        }

        return !OnRank(to).Contains(expert)
            && (left == entered || OnHost(left).Count(expert) > 1 || (_homes[expert] != left && !OnHost(entered).Contains(expert)));
    }

    /// <summary>Puts an expert into a free slot of a rank.</summary>
    public void Put(int expert, int rank)
    {
        _experts[(rank * shape.SlotsPerRank) + OnRank(rank).IndexOf(Free)] = expert;
        _rankLoads[rank] += _shares[expert];
    }

    /// <summary>Takes the expert out of a slot.</summary>
    public void Clear(int slot)
    {
        _rankLoads[slot / shape.SlotsPerRank] -= _shares[_experts[slot]];
        _experts[slot] = Free;
    }

    /// <summary>Exchanges the experts of two slots.</summary>
    public void Swap(int slot, int other)
    {
        double difference = _shares[_experts[slot]] - _shares[_experts[other]];
        _rankLoads[slot / shape.SlotsPerRank] -= difference;
        _rankLoads[other / shape.SlotsPerRank] += difference;
        (_experts[slot], _experts[other]) = (_experts[other], _experts[slot]);
    }

    /// <summary>Gives the slot of an expert that has several to another expert.</summary>
    public void Replace(int slot, int expert)
    {
        int old = _experts[slot];
        _experts[slot] = expert;
        _replicas[old]--;
        _replicas[expert]++;
        _shares[old] = _loads[old] / _replicas[old];
        _shares[expert] = _loads[expert] / _replicas[expert];
        SumRanks();
    }

    /// <summary>Sums all ranks anew, without the rounding of many small changes.</summary>
    public void SumRanks()
    {
        for (int rank = 0; rank < shape.Ranks; rank++)
        {
            double sum = 0;
            foreach (int expert in OnRank(rank))
            {
                sum += _shares[expert];
            }

            _rankLoads[rank] = sum;
        }
    }

    private void FindHome(int group)
    {
        int size = shape.Experts / shape.Groups;
        int home = 0;
        int most = 0;
        for (int host = 0; host < shape.Hosts; host++)
        {
            int present = 0;
            for (int expert = group * size; expert < (group + 1) * size; expert++)
            {
                present += OnHost(host).Contains(expert) ? 1 : 0;
            }

            (home, most) = present > most ? (host, present) : (home, most);
        }

        for (int expert = group * size; expert < (group + 1) * size; expert++)
        {
            _homes[expert] = OnHost(home).Contains(expert) ? home : -1;
        }
    }

    private void TakeLoads(ReadOnlySpan<double> loads)
    {
        loads.CopyTo(_loads);
        double total = 0;
        foreach (double load in loads)
        {
            total += load;
        }

        Mean = total / shape.Ranks;
    }
}
