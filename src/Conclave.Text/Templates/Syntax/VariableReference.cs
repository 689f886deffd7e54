namespace Conclave.Text;

/// <summary>Where a variable lives: so many functions out, in that slot.</summary>
internal readonly record struct VariableReference(int Hops, int Slot);
