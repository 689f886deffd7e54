namespace Conclave.Text;

/// <summary>A variable while scopes are worked out: the function that holds it and its slot there.</summary>
internal sealed record Variable(string Name, FunctionScope Function, int Slot);

/// <summary>A function to be: the template, a macro, a recursive loop, the test of a loop.</summary>
internal sealed class FunctionScope(FunctionScope? outer)
{
    public FunctionScope? Outer => outer;

    public int Slots { get; set; }

    /// <summary>How a variable is reached from code of this function.</summary>
    public VariableReference Reach(Variable variable)
    {
        int hops = 0;
        for (FunctionScope? function = this; function != variable.Function; function = function!.Outer)
        {
            hops++;
        }

        return new VariableReference(hops, variable.Slot);
    }
}

/// <summary>
/// The names of one scope, found out before anything runs, as Jinja's compiler does. What a name means in a scope depends on what is stored
/// there anywhere, so a template that reads a name before it sets it can see nothing where a variable of that name was given.
/// </summary>
internal sealed class Symbols
{
    private readonly Symbols? _parent;
    private readonly FunctionScope _function;

    // Shared by the copies that branches of an "if" work on: a name has one slot in a scope.
    private readonly Dictionary<string, Variable> _variables;
    private readonly Dictionary<string, Variable> _references;
    private readonly HashSet<string> _stores;
    private readonly OrderedDictionary<Variable, (ScopeLoadKind Kind, Variable? Source)> _loads;

    public Symbols(Symbols? parent, FunctionScope function)
    {
        _parent = parent;
        _function = function;
        _variables = new(StringComparer.Ordinal);
        _references = new(StringComparer.Ordinal);
        _stores = new(StringComparer.Ordinal);
        _loads = [];
    }

    private Symbols(Symbols original)
    {
        _parent = original._parent;
        _function = original._function;
        _variables = original._variables;
        _references = new(original._references, StringComparer.Ordinal);
        _stores = new(original._stores, StringComparer.Ordinal);
        _loads = new(original._loads);
    }

    public FunctionScope Function => _function;

    public Symbols Copy() => new(this);

    public Variable? Find(string name) => _references.TryGetValue(name, out Variable? variable) ? variable : _parent?.Find(name);

    public void Load(string name)
    {
        if (Find(name) is null)
        {
            Define(name, ScopeLoadKind.Resolve, null);
        }
    }

    public void Store(string name)
    {
        _stores.Add(name);
        if (_references.ContainsKey(name))
        {
            return;
        }

        Variable? outer = _parent?.Find(name);
        Define(name, outer is null ? ScopeLoadKind.Undefined : ScopeLoadKind.Alias, outer);
    }

    public Variable Parameter(string name)
    {
        _stores.Add(name);
        return Define(name, ScopeLoadKind.Parameter, null);
    }

    /// <summary>Takes over what the branches of an "if" found. What one of them stores may be set or not afterwards.</summary>
    public void Merge(IReadOnlyList<Symbols> branches)
    {
        HashSet<string> stores = [.. branches.SelectMany(branch => branch._stores)];
        stores.ExceptWith(_stores);
        foreach (Symbols branch in branches)
        {
            foreach ((string name, Variable variable) in branch._references)
            {
                _references[name] = variable;
            }

            foreach ((Variable variable, (ScopeLoadKind, Variable?) load) in branch._loads)
            {
                _loads[variable] = load;
            }

            _stores.UnionWith(branch._stores);
        }

        foreach (string name in stores)
        {
            Variable? outer = _parent?.Find(name);
            _loads[Find(name)!] = outer is null ? (ScopeLoadKind.Resolve, null) : (ScopeLoadKind.Alias, outer);
        }
    }

    /// <summary>What the scope does on entry.</summary>
    public List<ScopeLoad> EntryLoads() =>
    [
        .. _loads.Where(load => load.Value.Kind != ScopeLoadKind.Parameter).Select(load => new ScopeLoad(
            load.Value.Kind, _function.Reach(load.Key), load.Key.Name,
            load.Value.Source is { } source ? _function.Reach(source) : default)),
    ];

    private Variable Define(string name, ScopeLoadKind kind, Variable? source)
    {
        if (!_variables.TryGetValue(name, out Variable? variable))
        {
            variable = new Variable(name, _function, _function.Slots++);
            _variables[name] = variable;
        }

        _references[name] = variable;
        _loads[variable] = (kind, source);
        return variable;
    }
}
