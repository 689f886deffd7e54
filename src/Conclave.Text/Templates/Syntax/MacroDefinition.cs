namespace Conclave.Text;

/// <summary>Parameters and body of a macro, of the body of a call block, or of a generation block.</summary>
internal sealed class MacroDefinition(string? name, IReadOnlyList<NameTarget> parameters, IReadOnlyList<Expression> defaults, IReadOnlyList<Statement> body)
{
    /// <summary>Null for the body of a call block.</summary>
    public string? Name => name;

    public IReadOnlyList<NameTarget> Parameters => parameters;

    public IReadOnlyList<Expression> Defaults => defaults;

    public IReadOnlyList<Statement> Body => body;

    public IReadOnlyList<ScopeLoad> Loads { get; set; } = [];

    public int Slots { get; set; }

    /// <summary>Where "caller", "kwargs" and "varargs" go, null where the body does not use them.</summary>
    public VariableReference? Caller { get; set; }

    public VariableReference? Keywords { get; set; }

    public VariableReference? Rest { get; set; }

    /// <summary>The body mentions "caller", be it a parameter or not.</summary>
    public bool UsesCaller { get; set; }

    /// <summary>The default of a parameter; those at the end have one.</summary>
    public Expression? Default(int parameter)
    {
        int index = parameter - (parameters.Count - defaults.Count);
        return index >= 0 ? defaults[index] : null;
    }

    public MacroValue Bind(Activation activation) => new(this, activation);
}
