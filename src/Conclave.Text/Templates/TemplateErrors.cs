namespace Conclave.Text;

/// <summary>Short names for the errors that the interpreter raises.</summary>
internal static class TemplateErrors
{
    public static TemplateException Type(string detail) => new(TemplateErrorKind.TypeError, detail);

    public static TemplateException Value(string detail) => new(TemplateErrorKind.ValueError, detail);

    public static TemplateException Runtime(string detail) => new(TemplateErrorKind.TemplateRuntimeError, detail);

    public static TemplateException Argument(string detail) => new(TemplateErrorKind.FilterArgumentError, detail);

    public static TemplateException ZeroDivision(string detail) => new(TemplateErrorKind.ZeroDivisionError, detail);

    public static TemplateException Overflow(string detail) => new(TemplateErrorKind.OverflowError, detail);

    public static TemplateException Limit(string detail) => new(TemplateErrorKind.LimitError, detail);

    public static TemplateException Recursion() => new(TemplateErrorKind.RecursionError, "maximum recursion depth exceeded");

    public static TemplateException NoAttribute(Value value, string name) => new(TemplateErrorKind.AttributeError, $"'{value.TypeName}' object has no attribute '{name}'");

    public static TemplateException Unpacking(int expected, int count) => Value(
        count < expected ? $"not enough values to unpack (expected {expected}, got {count})" : $"too many values to unpack (expected {expected})");

    public static TemplateException NotIterable(Value value) => Type($"'{value.TypeName}' object is not iterable");

    public static TemplateException NotAnInteger(Value value) => Type($"'{value.TypeName}' object cannot be interpreted as an integer");

    public static TemplateException Unhashable(string typeName) => Type($"unhashable type: '{typeName}'");
}
