using System.Globalization;
using System.Numerics;

namespace Conclave.Text;

/// <summary>The parameter "attribute" of filters: a path with dots, whose numbers are indices.</summary>
internal sealed class AttributeGetter
{
    private readonly List<Value> _path;
    private readonly Value? _default;

    public AttributeGetter(Value? attribute, Value? defaultValue = null)
    {
        _default = defaultValue is NoneValue ? null : defaultValue;
        _path = attribute switch
        {
            null or NoneValue => [],
            StringValue text => [.. text.Text.Split('.').Select(Part)],
            _ => [attribute],
        };
    }

    public Value Get(RenderState state, Value item)
    {
        foreach (Value part in _path)
        {
            state.Step();
            item = Lookup.Item(state, item, part);
            if (_default is not null && item is UndefinedValue)
            {
                item = _default;
            }
        }

        return item;
    }

    /// <summary>Strings in lower case where case does not matter; other values as they are.</summary>
    public static Value Fold(RenderState state, Value value, bool caseSensitive) =>
        !caseSensitive && value is StringValue text ? state.Text(CaseMapping.Lower(text.Text)) : value;

    private static Value Part(string part) => part.Length > 0 && part.All(char.IsAsciiDigit)
        ? new IntegerValue(BigInteger.Parse(part.Length > 18 ? part[..18] : part, CultureInfo.InvariantCulture))
        : new StringValue(part);
}
