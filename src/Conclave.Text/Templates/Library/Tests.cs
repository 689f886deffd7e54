using System.Numerics;

namespace Conclave.Text;

/// <summary>Jinja's tests by name. The value that is tested is the first argument.</summary>
internal static class Tests
{
    private static readonly Signature One = new("test", "value");
    private static readonly Signature DivisibleParameters = new("test_divisibleby", "value", "num");
    private static readonly Signature SameParameters = new("test_sameas", "value", "other");
    private static readonly Signature InParameters = new("test_in", "value", "seq");

    private static readonly Dictionary<string, Func<RenderState, Arguments, bool>> Names = new(StringComparer.Ordinal)
    {
        ["boolean"] = Of(value => value is BooleanValue),
        ["callable"] = Of(value => value.IsCallable),
        ["defined"] = Of(value => value is not UndefinedValue),
        ["divisibleby"] = Divisible,
        ["escaped"] = Of(value => value is StringValue { IsMarkup: true }),
        ["even"] = (state, arguments) => Remainder(state, arguments, 0),
        ["false"] = Of(value => ReferenceEquals(value, BooleanValue.False)),
        ["filter"] = (state, arguments) => Named(arguments, Filters.Exists),
        ["float"] = Of(value => value is FloatValue),
        ["in"] = (state, arguments) =>
        {
            Value?[] bound = InParameters.Bind(arguments);
            return bound[1]!.Contains(state, bound[0]!);
        },
        ["integer"] = Of(value => value is IntegerValue),
        ["iterable"] = (state, arguments) => One.Bind(arguments)[0]!.Iterate(state) is not null,
        ["lower"] = (state, arguments) => StringMethods.IsLower(One.Bind(arguments)[0]!.ToText(state)),
        ["mapping"] = Of(value => value is DictValue),
        ["none"] = Of(value => value is NoneValue),
        ["number"] = Of(Numbers.IsNumber),
        ["odd"] = (state, arguments) => Remainder(state, arguments, 1),
        ["sameas"] = Same,
        ["sequence"] = Of(value => value.Length is not null && value.HasItems),
        ["string"] = Of(value => value is StringValue),
        ["test"] = (state, arguments) => Named(arguments, name => Find(name) is not null),
        ["true"] = Of(value => ReferenceEquals(value, BooleanValue.True)),
        ["undefined"] = Of(value => value is UndefinedValue),
        ["upper"] = (state, arguments) => StringMethods.IsUpper(One.Bind(arguments)[0]!.ToText(state)),
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

    private static Func<RenderState, Arguments, bool> Of(Func<Value, bool> test) => (_, arguments) => test(One.Bind(arguments)[0]!);

    private static Func<RenderState, Arguments, bool> Comparing(string name, Func<RenderState, Value, Value, bool> compare) =>
        (state, arguments) =>
        {
            arguments.NoKeywords(name);
            arguments.Between(name, 2, 2);
            return compare(state, arguments[0], arguments[1]);
        };

    private static bool Named(Arguments arguments, Func<string, bool> exists)
    {
        Value value = One.Bind(arguments)[0]!;
        _ = value.Hash();
        return value is StringValue name && exists(name.Text);
    }

    private static bool Remainder(RenderState state, Arguments arguments, int wanted) =>
        Operators.Modulo(state, One.Bind(arguments)[0]!, IntegerValue.Of(2)).EqualTo(IntegerValue.Of(wanted));

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
