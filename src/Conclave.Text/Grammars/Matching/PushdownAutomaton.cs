using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// Runs a grammar, all readings of the input at once, and keeps what it has computed: after a while a byte is a look-up. Not for several
/// threads at once; what it hands out stays valid when the caches are emptied.
/// </summary>
/// <param name="program">The grammar.</param>
/// <param name="cacheLimit">How much may be kept, in words of 4 bytes, roughly.</param>
internal sealed class PushdownAutomaton(PushdownProgram program, int cacheLimit)
{
    private const int MaxWork = 10_000_000;

    private readonly Dictionary<int[], StateSet> _sets = new(IntArrayComparer.Instance);
    private readonly Dictionary<int[], StackNode> _nodes = new(IntArrayComparer.Instance);
    private readonly Dictionary<int[], Configuration> _configurations = new(IntArrayComparer.Instance);
    private readonly Configuration _dead = new([], 0);
    private readonly int[] _mark = new int[program.Heights.Length];
    private int _stamp;
    private int _ids;
    private int _cached;
    private int _work;
    private Configuration? _start;

    public PushdownProgram Program => program;

    /// <summary>What is kept, in words of 4 bytes, roughly.</summary>
    public int Cached => _cached;

    /// <summary>Before any input.</summary>
    public Configuration Start => _start ??= Settle([(SetOf([program.Starts[0]]), Bottom(0))]);

    /// <summary>
    /// Before each question from outside: empties the caches if they have grown beyond their limit, and says whether it has done so.
    /// </summary>
    public bool TryShrink()
    {
        _work = 0;
        if (_cached <= cacheLimit)
        {
            return false;
        }

        _sets.Clear();
        _nodes.Clear();
        _configurations.Clear();
        _start = null;
        _cached = 0;
        return true;
    }

    /// <summary>After one more byte.</summary>
    public Configuration Next(Configuration from, byte value)
    {
        if (from.IsDead)
        {
            return _dead;
        }

        int kind = program.Classes[value];
        return from.Next[kind] ??= Step(from, kind);
    }

    /// <summary>After one more token that the grammar names by its id.</summary>
    public Configuration NextToken(Configuration from, int token)
    {
        List<(StateSet, StackNode)>? work = null;
        foreach ((StateSet states, StackNode frame) in from.Tops)
        {
            foreach ((int id, StateSet target) in TokensOf(states))
            {
                if (id == token)
                {
                    (work ??= []).Add((target, frame));
                }
            }
        }

        return work is null ? _dead : Settle(work);
    }

    /// <summary>Tokens that states read by id.</summary>
    public (int Token, StateSet Target)[] TokensOf(StateSet states) => states.Tokens ??=
    [
        .. EdgesOf(states, EdgeKind.Token).GroupBy(static edge => edge.A).Select(group => (group.Key, SetOf([.. group.Select(static edge => edge.To)])))
    ];

    /// <summary>The bottom of a stack above which so many brackets count as open.</summary>
    public StackNode Bottom(int depth) => NodeOf([], depth);

    /// <summary>Some states on a stack, without the rules that they can call.</summary>
    public Configuration Alone(StateSet states, StackNode frame) => Intern([(states, frame)]);

    /// <summary>Right after the rule of a frame has ended.</summary>
    public Configuration AfterPop(StackNode frame)
    {
        return frame.AfterPop ??= Settle([.. frame.Callers.Select(static caller => (caller.Return, caller.Below))]);
    }

    /// <summary>
    /// What so many bytes cannot tell from a configuration: where counts are far from their bounds, others stand for them. What is left beside that stays.
    /// </summary>
    public Configuration Twin(Configuration configuration, int bytes)
    {
        if (program.Counts.Count == 0 || configuration.Tops.Length == 0)
        {
            return configuration;
        }

        // Items are called: the state that counts is the one to return to, or on top between two items.
        return configuration.Twin ??= Intern([.. configuration.Tops.Select(top => (Twin(top.States, bytes), Twin(top.Frame, bytes)))]);
    }

    private StackNode Twin(StackNode frame, int bytes)
    {
        List<(StateSet Return, StackNode Below)> callers = [.. frame.Callers.Select(caller => (Twin(caller.Return, bytes), caller.Below)).Distinct()];
        return callers.SequenceEqual(frame.Callers) ? frame : NodeOf(callers, frame.Depth);
    }

    private StateSet Twin(StateSet states, int bytes)
    {
        int[] twins = [.. states.States.Select(state => program.Counts.TryGetValue(state, out Count count) ? count.Twin(bytes) : state)];
        return twins.AsSpan().SequenceEqual(states.States) ? states : SetOf(twins);
    }

    private Configuration Step(Configuration from, int kind)
    {
        List<(StateSet, StackNode)> work = [];
        foreach ((StateSet states, StackNode frame) in from.Tops)
        {
            if ((states.Targets ??= TargetsOf(states))[kind] is { } target)
            {
                work.Add((target, frame));
            }
        }

        return work.Count == 0 ? _dead : Settle(work);
    }

    // Follows all pops, then all pushes. Pops only happen in frames that have read something; a rule that matches nothing is not pushed
    // (see RuleAnalysis), so no push is followed by a pop at once.
    private Configuration Settle(List<(StateSet States, StackNode Frame)> work)
    {
        List<(StateSet States, StackNode Frame)> tops = [];
        for (int i = 0; i < work.Count; i++)
        {
            (StateSet states, StackNode frame) = (Limit(work[i].States, frame: work[i].Frame), work[i].Frame);
            _work += tops.Count;
            int known = tops.FindIndex(top => top.Frame == frame);
            bool popped = known >= 0 && tops[known].States.IsFinal;
            if (known < 0)
            {
                tops.Add((states, frame));
            }
            else
            {
                tops[known] = (SetOf([.. tops[known].States.States, .. states.States]), frame);
            }

            if (states.IsFinal && !popped)
            {
                work.AddRange(frame.Callers.Select(static caller => (caller.Return, caller.Below)));
            }
        }

        Push(tops);
        tops.RemoveAll(static top => !top.States.Reads && !(top.States.IsFinal && top.Frame.Callers.Length == 0));
        tops.Sort(static (a, b) => a.Frame.Id.CompareTo(b.Frame.Id));
        return tops.Count == 0 ? _dead : Intern([.. tops]);
    }

    // Rules in the order of their ranks: all callers of a rule are known when its frame is made, so it gets one frame only.
    private void Push(List<(StateSet States, StackNode Frame)> tops)
    {
        SortedDictionary<int, (int Rule, List<(StateSet Return, StackNode Below)> Callers, int Depth)> calls = [];
        for (int i = 0; i < tops.Count; i++)
        {
            Gather(tops[i].States, tops[i].Frame);
        }

        while (calls.Count > 0)
        {
            (int rank, (int rule, List<(StateSet, StackNode)> callers, int depth)) = calls.First();
            calls.Remove(rank);
            StackNode frame = NodeOf(callers, depth);
            StateSet states = Limit(SetOf([program.Starts[rule]]), frame);
            tops.Add((states, frame));
            Gather(states, frame);
        }

        void Gather(StateSet states, StackNode frame)
        {
            foreach ((int rule, int brackets, StateSet after) in CallsOf(states))
            {
                int depth = frame.Depth + brackets;
                StateSet limited = Limit(after, frame);
                if (limited.States.Length == 0 || depth + program.Heights[program.Starts[rule]] > GrammarBudget.MaxDocumentDepth)
                {
                    continue;
                }

                int rank = program.Ranks[rule];
                if (calls.TryGetValue(rank, out (int Rule, List<(StateSet, StackNode)> Callers, int Depth) call))
                {
                    call.Callers.Add((limited, frame));
                    calls[rank] = call with { Depth = Math.Max(call.Depth, depth) };
                }
                else
                {
                    calls.Add(rank, (rule, [(limited, frame)], depth));
                }
            }
        }
    }

    // Without the states from which every way to the end opens more brackets than a document may have: a document can always be finished.
    private StateSet Limit(StateSet states, StackNode frame)
    {
        int limit = GrammarBudget.MaxDocumentDepth - frame.Depth;
        return states.MaxHeight <= limit ? states : SetOf([.. states.States.Where(state => program.Heights[state] <= limit)]);
    }

    // One pass over the edges for all classes: sets are large where properties are optional.
    private StateSet?[] TargetsOf(StateSet states)
    {
        List<int>?[] members = new List<int>?[program.Samples.Length];
        foreach (Edge edge in EdgesOf(states, EdgeKind.Bytes))
        {
            _work += 1 + program.Classes[edge.B] - program.Classes[edge.A];
            for (int kind = program.Classes[edge.A]; kind <= program.Classes[edge.B]; kind++)
            {
                (members[kind] ??= []).Add(edge.To);
            }
        }

        StateSet?[] targets = new StateSet?[members.Length];
        for (int kind = 0; kind < targets.Length; kind++)
        {
            StateSet? target = members[kind] is { } list ? SetOf([.. list]) : null;
            targets[kind] = target is { States.Length: > 0 } ? target : null;
        }

        return targets;
    }

    private (int Rule, int Brackets, StateSet Return)[] CallsOf(StateSet states) => states.Calls ??=
    [
        .. EdgesOf(states, EdgeKind.Call)
            .GroupBy(static edge => (edge.A, edge.B))
            .Select(group => (group.Key.A, group.Key.B, SetOf([.. group.Select(static edge => edge.To)])))
    ];

    private IEnumerable<Edge> EdgesOf(StateSet states, EdgeKind kind)
    {
        foreach (int state in states.States)
        {
            for (int i = 0; i < program.EdgesOf(state).Length; i++)
            {
                Edge edge = program.EdgesOf(state)[i];
                if (edge.Kind == kind)
                {
                    yield return edge;
                }
            }
        }
    }

    private StateSet SetOf(int[] states)
    {
        _stamp++;
        Stack<int> work = new(states);
        List<int> closure = [];
        while (work.TryPop(out int state))
        {
            if (_mark[state] == _stamp || program.Heights[state] > GrammarBudget.MaxDocumentDepth)
            {
                continue;
            }

            _mark[state] = _stamp;
            bool matters = program.Ending[state];
            _work += program.EdgesOf(state).Length + 1;
            foreach (Edge edge in program.EdgesOf(state))
            {
                if (edge.Kind == EdgeKind.Epsilon)
                {
                    work.Push(edge.To);
                }
                else
                {
                    matters = true;
                }
            }

            if (matters)
            {
                closure.Add(state);
            }
        }

        if (_work > MaxWork)
        {
            throw new UserErrorException($"the grammar has so many readings of one text that a token needs more than {MaxWork} steps; fewer alternatives are expected");
        }

        closure.Sort();
        int[] key = [.. closure];
        ref StateSet? set = ref CollectionsMarshal.GetValueRefOrAddDefault(_sets, key, out bool exists);
        Spend(exists, key.Length);
        return set ??= new StateSet(_ids++, key, program);
    }

    // What is new takes time, and memory until the next question.
    private void Spend(bool exists, int length)
    {
        int cost = exists ? 0 : length + (2 * program.Samples.Length);
        _cached += cost;
        _work += cost;
    }

    private StackNode NodeOf(List<(StateSet Return, StackNode Below)> callers, int depth)
    {
        callers.Sort(static (a, b) => (a.Below.Id, a.Return.Id).CompareTo((b.Below.Id, b.Return.Id)));
        int[] key = new int[(2 * callers.Count) + 1];
        for (int i = 0; i < callers.Count; i++)
        {
            key[2 * i] = callers[i].Return.Id;
            key[(2 * i) + 1] = callers[i].Below.Id;
        }

        key[^1] = depth;
        ref StackNode? node = ref CollectionsMarshal.GetValueRefOrAddDefault(_nodes, key, out bool exists);
        Spend(exists, key.Length);
        return node ??= new StackNode(_ids++, depth, [.. callers]);
    }

    private Configuration Intern((StateSet States, StackNode Frame)[] tops)
    {
        int[] key = new int[2 * tops.Length];
        for (int i = 0; i < tops.Length; i++)
        {
            key[2 * i] = tops[i].States.Id;
            key[(2 * i) + 1] = tops[i].Frame.Id;
        }

        ref Configuration? configuration = ref CollectionsMarshal.GetValueRefOrAddDefault(_configurations, key, out bool exists);
        Spend(exists, key.Length);
        return configuration ??= new Configuration(tops, program.Samples.Length);
    }
}
