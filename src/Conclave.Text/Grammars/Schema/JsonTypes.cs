namespace Conclave.Text.Grammars;

/// <summary>JSON Schema's types; none: nothing is said.</summary>
[Flags]
internal enum JsonTypes
{
    /// <summary>Nothing is said.</summary>
    None = 0,

    /// <summary>A string.</summary>
    String = 1,

    /// <summary>A number.</summary>
    Number = 2,

    /// <summary>A number without fraction.</summary>
    Integer = 4,

    /// <summary>true or false.</summary>
    Boolean = 8,

    /// <summary>null.</summary>
    Null = 16,

    /// <summary>An object.</summary>
    Object = 32,

    /// <summary>An array.</summary>
    Array = 64,

    /// <summary>What the name "number" stands for.</summary>
    Numbers = Number | Integer,

    /// <summary>Any value.</summary>
    All = String | Numbers | Boolean | Null | Object | Array,
}
