using System.Numerics;

namespace Conclave.Text;

/// <summary>Jinja's tests by name. The value that is tested is the first argument.</summary>
internal static class TestLibrary
{
    private static readonly Signature EvenParameters = new("test_even", "value");
    private static readonly Signature OddParameters = new("test_odd", "value");
    private static readonly Signature IterableParameters = new("test_iterable", "value");
    private static readonly Signature LowerParameters = new("test_lower", "value");
    private static readonly Signature UpperParameters = new("test_upper", "value");
    private static readonly Signature FilterParameters = new("test_filter", "value");
    private static readonly Signature TestParameters = new("test_test", "value");
    private static readonly Signature DivisibleParameters = new("test_divisibleby", "value", "num");
    private static readonly Signature SameParameters = new("test_sameas", "value", "other");
    private static readonly Signature InParameters = new("test_in", "value", "seq");

    private static readonly Dictionary<string, Func<RenderState, Arguments, bool>> Names = new(StringComparer.Ordinal)
    {
        ["boolean"] = Of("boolean", value => value is BooleanValue),
        ["callable"] = (_, arguments) =>
        {
            arguments.Exactly("callable", 1);
            return arguments[0].IsCallable;
        },
        ["defined"] = Of("defined", value => value is not UndefinedValue),
        ["divisibleby"] = Divisible,
        ["escaped"] = Of("escaped", value => value is StringValue { IsMarkup: true }),
        ["even"] = (state, arguments) => Remainder(state, EvenParameters.Bind(arguments)[0]!, 0),
        ["false"] = Of("false", value => ReferenceEquals(value, BooleanValue.False)),
        ["filter"] = (state, arguments) => Named(FilterParameters.Bind(arguments)[0]!, Filters.Exists),
        ["float"] = Of("float", value => value is FloatValue),
        ["in"] = (state, arguments) =>
        {
            Value?[] bound = InParameters.Bind(arguments);
            return bound[1]!.Contains(state, bound[0]!);
        },
        ["integer"] = Of("integer", value => value is IntegerValue),
        ["iterable"] = (state, arguments) => IterableParameters.Bind(arguments)[0]!.Iterate(state) is not null,
        ["lower"] = (state, arguments) => StringMethods.IsLower(LowerParameters.Bind(arguments)[0]!.ToText(state)),
        ["mapping"] = Of("mapping", value => value is DictValue),
        ["none"] = Of("none", value => value is NoneValue),
        ["number"] = Of("number", Numbers.IsNumber),
        ["odd"] = (state, arguments) => Remainder(state, OddParameters.Bind(arguments)[0]!, 1),
        ["sameas"] = Same,
        ["sequence"] = Of("sequence", value => value.Length is not null && value.HasItems),
        ["string"] = Of("string", value => value is StringValue),
        ["test"] = (state, arguments) => Named(TestParameters.Bind(arguments)[0]!, name => Find(name) is not null),
        ["true"] = Of("true", value => ReferenceEquals(value, BooleanValue.True)),
        ["undefined"] = Of("undefined", value => value is UndefinedValue),
        ["upper"] = (state, arguments) => StringMethods.IsUpper(UpperParameters.Bind(arguments)[0]!.ToText(state)),
        ["=="] = Comparing("eq", Comparison.AreEqual),
        ["eq"] = Comparing("eq", Comparison.AreEqual),
        ["equalto"] = Comparing("eq", Comparison.AreEqual),
        ["!="] = Comparing("ne", (state, a, b) => !Comparison.AreEqual(state, a, b)),
        ["ne"] = Comparing("ne", (state, a, b) => !Comparison.AreEqual(state, a, b)),
        [">"] = Comparing("gt", Comparison.Greater),
        ["gt"] = Comparing("gt", Comparison.Greater),
        ["greaterthan"] = Comparing("gt", Comparison.Greater),
        [">="] = Comparing("ge", Comparison.GreaterOrEqual),
        ["ge"] = Comparing("ge", Comparison.GreaterOrEqual),
        ["<"] = Comparing("lt", Comparison.Less),
        ["lt"] = Comparing("lt", Comparison.Less),
        ["lessthan"] = Comparing("lt", Comparison.Less),
        ["<="] = Comparing("le", Comparison.LessOrEqual),
        ["le"] = Comparing("le", Comparison.LessOrEqual),
    };

    public static Func<RenderState, Arguments, bool>? Find(string name) => Names.GetValueOrDefault(name);

    private static Func<RenderState, Arguments, bool> Of(string name, Func<Value, bool> test)
    {
        Signature parameters = new($"test_{name}", "value");
        return (_, arguments) => test(parameters.Bind(arguments)[0]!);
    }

    private static Func<RenderState, Arguments, bool> Comparing(string name, Func<RenderState, Value, Value, bool> compare) =>
        (state, arguments) =>
        {
            arguments.NoKeywords(name);
            arguments.Between(name, 2, 2);
            return compare(state, arguments[0], arguments[1]);
        };

    private static bool Named(Value value, Func<string, bool> exists)
    {
        _ = value.Hash();
        return value is StringValue name && exists(name.Text);
    }

    private static bool Remainder(RenderState state, Value value, int wanted) =>
        Operators.Modulo(state, value, IntegerValue.Of(2)).EqualTo(IntegerValue.Of(wanted));

    private static bool Divisible(RenderState state, Arguments arguments)
    {
        Value?[] bound = DivisibleParameters.Bind(arguments);
        return Operators.Modulo(state, bound[0]!, bound[1]!).EqualTo(IntegerValue.Of(0));
    }

    // Python keeps one object for each small integer.
    private static bool Same(RenderState state, Arguments arguments)
    {
        Value?[] bound = SameParameters.Bind(arguments);
        return ReferenceEquals(bound[0], bound[1])
            || (bound[0] is IntegerValue a && bound[1] is IntegerValue b && a.Number == b.Number
                && a.Number >= new BigInteger(-5) && a.Number <= new BigInteger(256));
    }
}
