namespace Conclave.Text;

/// <summary>The variables of one running function (the template, a macro, a recursive loop, the filter of a loop) and those around it.</summary>
internal sealed class Activation(RenderState state, IReadOnlyDictionary<string, Value> variables, int slots, Activation? outer)
{
    // Null is Jinja's "missing": the name is known, but nothing is assigned.
    private readonly Value?[] _slots = new Value?[slots];

    public RenderState State => state;

    public Activation Inner(int innerSlots) => new(state, variables, innerSlots, this);

    public Value? Get(VariableReference variable) => Up(variable.Hops)._slots[variable.Slot];

    public void Set(VariableReference variable, Value? value) => Up(variable.Hops)._slots[variable.Slot] = value;

    /// <summary>A variable given to the template, or a global.</summary>
    public Value? Resolve(string name) => variables.TryGetValue(name, out Value? value) ? value : Globals.Find(name);

    public void Enter(IReadOnlyList<ScopeLoad> loads)
    {
        foreach (ScopeLoad load in loads)
        {
            switch (load.Kind)
            {
                case ScopeLoadKind.Resolve:
                    Set(load.Target, Resolve(load.Name));
                    break;
                case ScopeLoadKind.Alias:
                    Set(load.Target, Get(load.Source));
                    break;
                case ScopeLoadKind.Undefined:
                    Set(load.Target, null);
                    break;
            }
        }
    }

    private Activation Up(int hops)
    {
        Activation activation = this;
        for (; hops > 0; hops--)
        {
            activation = activation.Outer!;
        }

        return activation;
    }

    private Activation? Outer => outer;
}
