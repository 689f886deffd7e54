namespace Conclave.Text;

internal sealed class ForStatement(
    int line, AssignmentTarget target, Expression iterable, Expression? test, bool isRecursive, IReadOnlyList<Statement> body,
    IReadOnlyList<Statement> otherwise) : ScopedStatement(line, body)
{
    public AssignmentTarget Target => target;

    public AssignmentTarget TestTarget { get; } = target.Copy();

    public Expression Iterable => iterable;

    public Expression? Test => test;

    public bool IsRecursive => isRecursive;

    public IReadOnlyList<Statement> Otherwise => otherwise;

    public VariableReference Loop { get; set; }

    public IReadOnlyList<ScopeLoad> TestLoads { get; set; } = [];

    public IReadOnlyList<ScopeLoad> OtherwiseLoads { get; set; } = [];

    /// <summary>Slots of the function that a recursive loop is.</summary>
    public int Slots { get; set; }

    /// <summary>Slots of the function that the test of the loop is.</summary>
    public int TestSlots { get; set; }

    protected override Flow Run(Activation activation, TextBuffer output)
    {
        Value items = iterable.Evaluate(activation);
        if (!isRecursive)
        {
            return Iterate(activation, activation, items, output, recurse: null, depth: 0);
        }

        output.Append(Recurse(activation, items, depth: 0));
        return Flow.Next;
    }

    private string Recurse(Activation outer, Value items, int depth)
    {
        RenderState state = outer.State;
        state.EnterCall();
        TextBuffer inner = new(state);
        Iterate(outer, outer.Inner(Slots), items, inner, deeper => new StringValue(Recurse(outer, deeper, depth + 1)), depth);
        state.LeaveCall();
        return inner.ToString();
    }

    private Flow Iterate(Activation outer, Activation activation, Value items, TextBuffer output, Func<Value, Value>? recurse, int depth)
    {
        RenderState state = activation.State;
        IEnumerator<Value> walk = items.IterateOrThrow(state);
        LoopValue loop = test is null
            ? new LoopValue(walk, items.Length, recurse, depth)
            : new LoopValue(Filtered(outer, walk), null, recurse, depth);
        bool isEmpty = true;
        while (loop.MoveNext())
        {
            state.Step();
            target.Assign(activation, loop.Current);
            activation.Set(Loop, loop);
            activation.Enter(Loads);
            Flow flow = ExecuteAll(Body, activation, output);
            if (flow == Flow.Break)
            {
                break;
            }

            // Jinja clears its mark at the end of the body, which continue and break skip.
            isEmpty &= flow == Flow.Continue;
        }

        if (isEmpty && otherwise.Count > 0)
        {
            activation.Enter(OtherwiseLoads);
            return ExecuteAll(otherwise, activation, output);
        }

        return Flow.Next;
    }

    private IEnumerator<Value> Filtered(Activation outer, IEnumerator<Value> items)
    {
        Activation activation = outer.Inner(TestSlots);
        activation.Enter(TestLoads);
        while (items.MoveNext())
        {
            outer.State.Step();
            TestTarget.Assign(activation, items.Current);
            if (test!.Evaluate(activation).IsTrue)
            {
                yield return items.Current;
            }
        }
    }
}
