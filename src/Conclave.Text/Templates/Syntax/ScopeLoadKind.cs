namespace Conclave.Text;

/// <summary>What a variable of a scope holds when the scope is entered.</summary>
internal enum ScopeLoadKind
{
    /// <summary>What the scope's owner puts there: loop targets, parameters.</summary>
    Parameter,

    /// <summary>The variable given to the template, or the global, of that name.</summary>
    Resolve,

    /// <summary>The value of the variable of that name outside.</summary>
    Alias,

    /// <summary>Nothing yet.</summary>
    Undefined,
}
