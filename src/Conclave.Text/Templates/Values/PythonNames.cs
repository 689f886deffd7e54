namespace Conclave.Text;

/// <summary>Names that every Python object answers to.</summary>
internal static class PythonNames
{
    private static readonly HashSet<string> ObjectAttributes = new(StringComparer.Ordinal)
    {
        "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getstate__", "__gt__",
        "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__", "__reduce__", "__reduce_ex__", "__repr__",
        "__setattr__", "__sizeof__", "__str__", "__subclasshook__",
    };

    public static bool IsObjectAttribute(string name) => ObjectAttributes.Contains(name);
}
