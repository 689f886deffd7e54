namespace Conclave.Text;

/// <summary>The arguments of a call as written.</summary>
internal sealed record ArgumentList(
    IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named, Expression? Star, Expression? DoubleStar)
{
    public static readonly ArgumentList Empty = new([], [], null, null);

    public IEnumerable<Expression> Children =>
    [
        .. Positional, .. Named.Select(n => n.Value), .. Star is null ? Array.Empty<Expression>() : [Star],
        .. DoubleStar is null ? Array.Empty<Expression>() : [DoubleStar],
    ];

    /// <summary>The arguments, with <paramref name="first"/> before them and <paramref name="caller"/> among the named.</summary>
    public Arguments Evaluate(Activation activation, Value? first = null, Value? caller = null)
    {
        List<Value> positional = first is null ? [] : [first];
        foreach (Expression argument in Positional)
        {
            positional.Add(argument.Evaluate(activation));
        }

        OrderedDictionary<string, Value>? named = Named.Count + (DoubleStar is null ? 0 : 1) + (caller is null ? 0 : 1) > 0
            ? new OrderedDictionary<string, Value>(StringComparer.Ordinal)
            : null;
        foreach ((string name, Expression value) in Named)
        {
            named!.Add(name, value.Evaluate(activation));
        }

        if (caller is not null)
        {
            named!["caller"] = caller;
        }

        if (Star is not null)
        {
            Value star = Star.Evaluate(activation);
            positional.AddRange(star.Iterate(activation.State) is null
                ? throw TemplateErrors.Type($"Value after * must be an iterable, not {star.TypeName}")
                : star.ToList(activation.State));
        }

        if (DoubleStar is not null)
        {
            AddMapping(DoubleStar.Evaluate(activation), named!);
        }

        return new Arguments(positional, named);
    }

    private static void AddMapping(Value mapping, OrderedDictionary<string, Value> named)
    {
        DictValue dict = mapping as DictValue
            ?? throw TemplateErrors.Type($"argument after ** must be a mapping, not {mapping.TypeName}");
        foreach ((Value key, Value value) in dict.Items)
        {
            if (key is not StringValue name)
            {
                throw TemplateErrors.Type("keywords must be strings");
            }

            if (!named.TryAdd(name.Text, value))
            {
                throw TemplateErrors.Type($"got multiple values for keyword argument '{name.Text}'");
            }
        }
    }
}
