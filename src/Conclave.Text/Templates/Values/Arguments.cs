using System.Numerics;

namespace Conclave.Text;

/// <summary>What a call passes: positional arguments and, if there are any, named ones.</summary>
internal sealed class Arguments(IReadOnlyList<Value> positional, OrderedDictionary<string, Value>? named = null)
{
    public static readonly Arguments None = new([]);

    public IReadOnlyList<Value> Positional => positional;

    public OrderedDictionary<string, Value>? Named => named;

    public int Count => positional.Count;

    public bool HasNames => named is { Count: > 0 };

    public Value this[int index] => positional[index];

    public Value? At(int index) => index < positional.Count ? positional[index] : null;

    /// <summary>The same arguments with one more before them.</summary>
    public Arguments Prepend(Value first) => new([first, .. positional], named);

    /// <summary>The same arguments without the first ones.</summary>
    public Arguments Skip(int count) => new([.. positional.Skip(count)], named);

    public void NoKeywords(string function)
    {
        if (HasNames)
        {
            throw TemplateErrors.Type($"{function}() takes no keyword arguments");
        }
    }

    /// <summary>The check, and the words, of functions of Python that are written in C and take a fixed number of arguments.</summary>
    public void Exactly(string function, int count)
    {
        NoKeywords(function);
        if (positional.Count != count)
        {
            string wanted = count switch { 0 => "no arguments", 1 => "exactly one argument", _ => $"exactly {count} arguments" };
            throw TemplateErrors.Type($"{function}() takes {wanted} ({positional.Count} given)");
        }
    }

    /// <summary>The check, and the words, of functions of Python that are written in C and take optional arguments.</summary>
    public void Between(string function, int least, int most)
    {
        if (positional.Count < least || positional.Count > most)
        {
            string bound = positional.Count < least ? "at least" : "at most";
            int limit = positional.Count < least ? least : most;
            string wanted = least == most ? $"{limit}" : $"{bound} {limit}";
            throw TemplateErrors.Type($"{function} expected {wanted} argument{(limit == 1 ? "" : "s")}, got {positional.Count}");
        }
    }

    public static int Integer(RenderState state, Value value)
    {
        if (value.UndefinedError() is not null || !value.TryInteger(out BigInteger? number))
        {
            throw TemplateErrors.NotAnInteger(value);
        }

        return number.Value > int.MaxValue ? int.MaxValue : number.Value < int.MinValue ? int.MinValue : (int)number.Value;
    }
}
