using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text;

/// <summary>Turns JSON into values as Python's <c>json.loads</c> does.</summary>
internal sealed class VariableReader(RenderState state)
{
    private const int MaxDigits = 4300;

    public Dictionary<string, Value> ReadObject(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new UserErrorException($"the variables of a chat template are a JSON object; this is {Describe(element.ValueKind)}");
        }

        Dictionary<string, Value> variables = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            variables[Name(property)] = Read(property.Value);
        }

        return variables;
    }

    private Value Read(JsonElement element)
    {
        RenderState.EnsureStack();
        state.Step();
        switch (element.ValueKind)
        {
            case JsonValueKind.Null:
                return NoneValue.Instance;
            case JsonValueKind.True:
                return BooleanValue.True;
            case JsonValueKind.False:
                return BooleanValue.False;
            case JsonValueKind.Number:
                return Number(element.GetRawText());
            case JsonValueKind.String:
                return state.Text(Text(element));
            case JsonValueKind.Array:
                List<Value> items = new(element.GetArrayLength());
                foreach (JsonElement item in element.EnumerateArray())
                {
                    items.Add(Read(item));
                }

                return new ListValue(items);
            case JsonValueKind.Object:
                OrderedDictionary<Value, Value> members = DictValue.NewItems();
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    members[new StringValue(Name(property))] = Read(property.Value);
                }

                return new DictValue(members);
            default:
                throw new UserErrorException("the variables of a chat template contain a value that is not JSON");
        }
    }

    private static Value Number(string text)
    {
        if (text.AsSpan().IndexOfAny(".eE") >= 0)
        {
            return new FloatValue(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));
        }

        return text.Length <= MaxDigits
            ? IntegerValue.Of(BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
            : throw new UserErrorException($"the variables of a chat template contain an integer of {text.Length} digits; at most {MaxDigits} are expected");
    }

    private static string Name(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw LoneSurrogate(e);
        }
    }

    private static string Text(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw LoneSurrogate(e);
        }
    }

    private static UserErrorException LoneSurrogate(Exception e) =>
        new("the variables of a chat template contain a string with an unpaired surrogate; only valid Unicode can be used", e);

    private static string Describe(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        _ => "true, false or null",
    };
}
