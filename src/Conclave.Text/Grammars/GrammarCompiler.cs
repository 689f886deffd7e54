using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>Compiles what a grammar says into states and edges.</summary>
internal sealed class GrammarCompiler
{
    private readonly GrammarBudget _budget;
    private readonly List<Edge> _edges = [];
    private readonly List<int> _depths = [];
    private readonly Dictionary<int, (ByteDfa Automaton, int State)> _regular = [];
    private readonly Dictionary<int, Count> _counts = [];
    private readonly List<GrammarRule> _rules = [];
    private readonly Dictionary<GrammarRule, int> _ids = [];
    private int _depth;

    private GrammarCompiler(GrammarBudget budget) => _budget = budget;

    /// <exception cref="UserErrorException">The grammar is too large, or nothing finite matches it, or a rule begins with itself.</exception>
    public static PushdownProgram Compile(GrammarNode root, GrammarBudget budget)
    {
        GrammarCompiler compiler = new(budget);
        compiler.RuleId(new GrammarRule("the grammar") { Body = root });
        List<int> starts = [];
        List<int> ends = [];

        // Compiling a rule finds the rules that it calls.
        for (int i = 0; i < compiler._rules.Count; i++)
        {
            starts.Add(compiler.NewState());
            int first = compiler._depths.Count;
            ends.Add(compiler.Add(compiler._rules[i].Body, starts[i]));
            if (compiler._rules[i].Body is GrammarNode.Regular { Automaton: { } automaton })
            {
                // AddRegular makes the end, then the automaton's states in their order.
                for (int state = 0; state < automaton.Edges.Count; state++)
                {
                    compiler._regular.Add(first + 1 + state, (automaton, state));
                }
            }
        }

        RuleAnalysis analysis = new(compiler._rules, compiler._edges, [.. compiler._depths], [.. starts], [.. ends]);
        analysis.AddNullableCalls(compiler._edges);
        int[] ranks = analysis.Ranks();
        int[] heights = analysis.Heights();
        return heights[starts[0]] <= GrammarBudget.MaxDocumentDepth
            ? new PushdownProgram(compiler._edges, compiler._depths.Count, [.. starts], [.. ends], ranks, heights, compiler._regular, compiler._counts)
            : throw new UserErrorException(
                $"nothing of at most {GrammarBudget.MaxDocumentDepth} nested brackets matches: required parts contain each other without end, or too deep");
    }

    private int NewState()
    {
        _budget.SpendState();
        _depths.Add(_depth);
        return _depths.Count - 1;
    }

    private int RuleId(GrammarRule rule)
    {
        if (!_ids.TryGetValue(rule, out int id))
        {
            id = _rules.Count;
            _ids.Add(rule, id);
            _rules.Add(rule);
        }

        return id;
    }

    private void Connect(int from, int to) => _edges.Add(new Edge(from, EdgeKind.Epsilon, 0, 0, to));

    private int Step(int from, EdgeKind kind, int a, int b)
    {
        int to = NewState();
        _edges.Add(new Edge(from, kind, a, b, to));
        return to;
    }

    // Returns where the node ends. No edge leads back into from: several alternatives can begin there.
    private int Add(GrammarNode node, int from)
    {
        switch (node)
        {
            case GrammarNode.Bytes bytes:
                foreach (byte value in bytes.Value)
                {
                    from = Step(from, EdgeKind.Bytes, value, value);
                }

                return from;
            case GrammarNode.Token token:
                return Step(from, EdgeKind.Token, token.Id, 0);
            case GrammarNode.Call call:
                return Step(from, EdgeKind.Call, RuleId(call.Rule), _depth);
            case GrammarNode.Regular regular:
                return AddRegular(regular.Automaton, from);
            case GrammarNode.Sequence sequence:
                foreach (GrammarNode item in sequence.Items)
                {
                    from = Add(item, from);
                }

                return from;
            case GrammarNode.Choice choice:
                int end = NewState();
                foreach (GrammarNode branch in choice.Branches)
                {
                    Connect(Add(branch, from), end);
                }

                return end;
            case GrammarNode.Nested nested:
                _depth++;
                int inner = Add(nested.Content, from);
                _depth--;
                return inner;
            case GrammarNode.Separated separated:
                return AddSeparated(separated, from);
            case GrammarNode.Counted counted:
                return AddCounted(counted, from);
            case GrammarNode.Members members:
                return AddMembers(members, from);
            default:
                throw new InvalidOperationException($"no automaton for {node.GetType().Name}");
        }
    }

    private int AddRegular(ByteDfa dfa, int from)
    {
        int end = NewState();
        int[] states = [.. dfa.Edges.Select(_ => NewState())];
        Connect(from, states[0]);
        for (int state = 0; state < states.Length; state++)
        {
            foreach ((byte low, byte high, int to) in dfa.Edges[state])
            {
                _edges.Add(new Edge(states[state], EdgeKind.Bytes, low, high, states[to]));
            }

            if (dfa.Accepting[state])
            {
                Connect(states[state], end);
            }
        }

        return end;
    }

    private int AddSeparated(GrammarNode.Separated list, int from)
    {
        int end = NewState();
        if (list.Min == 0)
        {
            Connect(from, end);
        }

        if (list.Max < 0 && list.Min <= 1)
        {
            int loop = NewState();
            Connect(from, loop);
            int after = Add(list.Item, loop);
            Connect(after, end);
            Connect(Add(list.Separator, after), loop);
            return end;
        }

        int last = list.Max < 0 ? list.Min : list.Max;
        for (int count = 1; count <= last; count++)
        {
            from = Add(list.Item, from);
            if (count >= list.Min)
            {
                Connect(from, end);
            }

            if (count < last)
            {
                from = Add(list.Separator, from);
            }
        }

        if (list.Max < 0)
        {
            int loop = NewState();
            Connect(Add(list.Separator, from), loop);
            int after = Add(list.Item, loop);
            Connect(after, end);
            Connect(Add(list.Separator, after), loop);
        }

        return end;
    }

    // A state for each count, which calls the item: what an item looks like is not written out.
    private int AddCounted(GrammarNode.Counted counted, int from)
    {
        int end = NewState();
        int rule = RuleId(counted.Item);
        int last = counted.Max < 0 ? counted.Min : counted.Max;
        int[] states = [.. Enumerable.Range(0, last + 1).Select(_ => NewState())];
        Connect(from, states[0]);
        for (int count = 0; count <= last; count++)
        {
            _counts.Add(states[count], new Count(states, count, counted.Min, counted.Max));
            if (count < last || counted.Max < 0)
            {
                _edges.Add(new Edge(states[count], EdgeKind.Call, rule, _depth, states[Math.Min(count + 1, last)]));
            }

            if (count >= counted.Min)
            {
                Connect(states[count], end);
            }
        }

        return end;
    }

    // Two lanes run beside the members: nothing written yet, something written. Both lead into a member (the second through a separator),
    // each member leads into the second lane; an optional one can be passed by in both.
    private int AddMembers(GrammarNode.Members members, int from)
    {
        int nothing = NewState();
        int something = NewState();
        Connect(from, nothing);
        foreach (GrammarNode.Member member in members.Items)
        {
            int begin = NewState();
            Connect(nothing, begin);
            Connect(Add(members.Separator, something), begin);
            int passed = NewState();
            int written = NewState();
            Connect(Add(member.Content, begin), written);
            if (!member.Required)
            {
                Connect(nothing, passed);
                Connect(something, written);
            }

            nothing = passed;
            something = written;
        }

        if (members.Rest is not null)
        {
            int begin = NewState();
            Connect(nothing, begin);
            Connect(Add(members.Separator, something), begin);
            Connect(Add(members.Rest, begin), something);
        }

        int end = Add(members.Trailer, something);
        Connect(nothing, end);
        return end;
    }
}
