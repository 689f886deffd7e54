namespace Conclave.Text;

/// <summary>One variable that a scope fills on entry.</summary>
internal readonly record struct ScopeLoad(ScopeLoadKind Kind, VariableReference Target, string Name, VariableReference Source);
