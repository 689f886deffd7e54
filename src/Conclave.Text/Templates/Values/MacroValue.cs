namespace Conclave.Text;

/// <summary>A macro together with the variables it sees.</summary>
internal sealed class MacroValue(MacroDefinition definition, Activation closure) : Value
{
    public override string TypeName => "Macro";

    public override string ObjectName => "jinja2.runtime.Macro object";

    public override bool IsCallable => true;

    private string QuotedName => definition.Name is null ? "None" : StringRepr.Quote(definition.Name);

    public override void WriteRepr(TextBuffer buffer) =>
        buffer.Append(definition.Name is null ? "<Macro anonymous>" : $"<Macro {QuotedName}>");

    public override Value? Attribute(RenderState state, string name) => name switch
    {
        "name" => definition.Name is null ? NoneValue.Instance : new StringValue(definition.Name),
        "arguments" => new TupleValue([.. definition.Parameters.Select(parameter => new StringValue(parameter.Name))]),
        "catch_kwargs" => BooleanValue.Of(definition.Keywords is not null),
        "catch_varargs" => BooleanValue.Of(definition.Rest is not null),
        "caller" => BooleanValue.Of(definition.UsesCaller),
        "explicit_caller" => BooleanValue.Of(definition.Parameters.Any(parameter => parameter.Name == "caller")),
        _ => null,
    };

    public override Value Call(RenderState state, Arguments arguments)
    {
        state.EnterCall();
        Activation activation = closure.Inner(definition.Slots);
        Bind(activation, arguments);
        activation.Enter(definition.Loads);
        Defaults(activation);
        TextBuffer output = new(state);
        int line = state.Line;
        Statement.ExecuteAll(definition.Body, activation, output);
        state.Line = line;
        state.LeaveCall();
        return state.Text(output.ToString());
    }

    private void Bind(Activation activation, Arguments arguments)
    {
        IReadOnlyList<NameTarget> parameters = definition.Parameters;
        OrderedDictionary<string, Value> named = new(StringComparer.Ordinal);
        foreach ((string name, Value value) in arguments.Named ?? [])
        {
            named.Add(name, value);
        }

        for (int i = 0; i < parameters.Count; i++)
        {
            Value? value = arguments.At(i);
            if (value is null && named.Remove(parameters[i].Name, out Value? byName))
            {
                value = byName;
            }

            activation.Set(parameters[i].Variable, value);
        }

        if (definition.Caller is { } caller)
        {
            named.Remove("caller", out Value? given);
            activation.Set(caller, given is null or NoneValue ? UndefinedValue.OfHint("No caller defined") : given);
        }

        if (definition.Keywords is { } keywords)
        {
            OrderedDictionary<Value, Value> items = DictValue.NewItems(named.Count);
            foreach ((string name, Value value) in named)
            {
                items[new StringValue(name)] = value;
            }

            activation.Set(keywords, new DictValue(items));
        }
        else if (named.ContainsKey("caller"))
        {
            throw TemplateErrors.Type(
                $"macro {QuotedName} was invoked with two values for the special caller argument. This is most likely a bug.");
        }
        else if (named.Count > 0)
        {
            throw TemplateErrors.Type($"macro {QuotedName} takes no keyword argument {StringRepr.Quote(named.GetAt(0).Key)}");
        }

        if (definition.Rest is { } rest)
        {
            activation.Set(rest, new TupleValue([.. arguments.Positional.Skip(parameters.Count)]));
        }
        else if (arguments.Count > parameters.Count)
        {
            throw TemplateErrors.Type($"macro {QuotedName} takes not more than {parameters.Count} argument(s)");
        }
    }

    private void Defaults(Activation activation)
    {
        for (int i = 0; i < definition.Parameters.Count; i++)
        {
            NameTarget parameter = definition.Parameters[i];
            if (activation.Get(parameter.Variable) is null)
            {
                activation.Set(parameter.Variable, definition.Default(i)?.Evaluate(activation)
                    ?? UndefinedValue.OfHint($"parameter {StringRepr.Quote(parameter.Name)} was not provided"));
            }
        }
    }
}
