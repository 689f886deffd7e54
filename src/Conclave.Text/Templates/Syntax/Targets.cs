namespace Conclave.Text;

/// <summary>What a value can be assigned to.</summary>
internal abstract class AssignmentTarget(int line)
{
    public int Line => line;

    public abstract void Assign(Activation activation, Value value);

    /// <summary>A copy, to be bound in another scope.</summary>
    public abstract AssignmentTarget Copy();

    /// <summary>The names and namespaces below, from left to right.</summary>
    public abstract IEnumerable<AssignmentTarget> Leaves { get; }
}

internal sealed class NameTarget(int line, string name) : AssignmentTarget(line)
{
    public string Name => name;

    public VariableReference Variable { get; set; }

    public override IEnumerable<AssignmentTarget> Leaves => [this];

    public override void Assign(Activation activation, Value value) => activation.Set(Variable, value);

    public override AssignmentTarget Copy() => new NameTarget(Line, name);
}

internal sealed class NamespaceTarget(int line, string name, string attribute) : AssignmentTarget(line)
{
    public string Name => name;

    public VariableReference Variable { get; set; }

    public override IEnumerable<AssignmentTarget> Leaves => [this];

    /// <summary>Jinja checks before it evaluates what is to be assigned.</summary>
    public void Check(Activation activation)
    {
        if (activation.Get(Variable) is not NamespaceValue)
        {
            throw TemplateErrors.Runtime("cannot assign attribute on non-namespace object");
        }
    }

    public override void Assign(Activation activation, Value value)
    {
        if (activation.Get(Variable) is NamespaceValue target)
        {
            target.Set(attribute, value);
        }
    }

    public override AssignmentTarget Copy() => new NamespaceTarget(Line, name, attribute);
}

internal sealed class TupleTarget(int line, IReadOnlyList<AssignmentTarget> items) : AssignmentTarget(line)
{
    public override IEnumerable<AssignmentTarget> Leaves => items.SelectMany(item => item.Leaves);

    public override void Assign(Activation activation, Value value)
    {
        using IEnumerator<Value> parts = value.Iterate(activation.State)
            ?? throw TemplateErrors.Type($"cannot unpack non-iterable {value.TypeName} object");
        List<Value> taken = [];
        while (taken.Count <= items.Count && parts.MoveNext())
        {
            taken.Add(parts.Current);
        }

        if (taken.Count != items.Count)
        {
            throw TemplateErrors.Unpacking(items.Count, taken.Count);
        }

        for (int i = 0; i < items.Count; i++)
        {
            items[i].Assign(activation, taken[i]);
        }
    }

    public override AssignmentTarget Copy() => new TupleTarget(Line, [.. items.Select(item => item.Copy())]);
}
