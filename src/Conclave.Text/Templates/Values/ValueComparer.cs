namespace Conclave.Text;

/// <summary>Python's equality and hash, for keys of dicts and for sets.</summary>
internal sealed class ValueComparer : IEqualityComparer<Value>
{
    public static readonly ValueComparer Instance = new();

    private ValueComparer()
    {
    }

    public bool Equals(Value? x, Value? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.EqualTo(y));

    public int GetHashCode(Value obj) => obj.Hash();
}
