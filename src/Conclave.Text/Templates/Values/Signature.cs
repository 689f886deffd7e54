namespace Conclave.Text;

/// <summary>
/// The parameters of a function that Python wrote in Python, and the words with which it refuses calls. A parameter that ends in "?" may be
/// absent.
/// </summary>
internal sealed class Signature
{
    private readonly string _function;
    private readonly string[] _names;
    private readonly int _required;

    public Signature(string function, params string[] parameters)
    {
        _function = function;
        _names = [.. parameters.Select(p => p.TrimEnd('?'))];
        _required = parameters.Count(p => !p.EndsWith('?'));
    }

    /// <summary>The arguments in the order of the parameters, null where one is absent.</summary>
    public Value?[] Bind(Arguments arguments)
    {
        Value?[] bound = new Value?[_names.Length];
        for (int i = 0; i < Math.Min(arguments.Count, _names.Length); i++)
        {
            bound[i] = arguments[i];
        }

        if (arguments.Named is not null)
        {
            foreach ((string name, Value value) in arguments.Named)
            {
                int index = Array.IndexOf(_names, name);
                if (index < 0)
                {
                    throw TemplateErrors.Type($"{_function}() got an unexpected keyword argument '{name}'");
                }

                if (bound[index] is not null)
                {
                    throw TemplateErrors.Type($"{_function}() got multiple values for argument '{name}'");
                }

                bound[index] = value;
            }
        }

        if (arguments.Count > _names.Length)
        {
            string wanted = _required == _names.Length ? $"{_names.Length}" : $"from {_required} to {_names.Length}";
            throw TemplateErrors.Type(
                $"{_function}() takes {wanted} positional argument{(_names.Length == 1 ? "" : "s")} but {arguments.Count} were given");
        }

        string[] missing = [.. Enumerable.Range(0, _required).Where(i => bound[i] is null).Select(i => $"'{_names[i]}'")];
        return missing.Length switch
        {
            0 => bound,
            1 => throw TemplateErrors.Type($"{_function}() missing 1 required positional argument: {missing[0]}"),
            2 => throw TemplateErrors.Type($"{_function}() missing 2 required positional arguments: {missing[0]} and {missing[1]}"),
            _ => throw TemplateErrors.Type(
                $"{_function}() missing {missing.Length} required positional arguments: {string.Join(", ", missing[..^1])}, and {missing[^1]}"),
        };
    }
}
