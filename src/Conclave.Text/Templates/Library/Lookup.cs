namespace Conclave.Text;

/// <summary>Attribute and item access as the sandboxed environment of Jinja orders them.</summary>
internal static class Lookup
{
    /// <summary><c>value.name</c>: the attribute, then the item.</summary>
    public static Value Attribute(RenderState state, Value value, string name) =>
        Safe(state, value, name)
        ?? value.Item(state, new StringValue(name))
        ?? UndefinedValue.OfMember(state, value, new StringValue(name));

    /// <summary><c>value[key]</c>: the item, then, for names, the attribute.</summary>
    public static Value Item(RenderState state, Value value, Value key) =>
        value.Item(state, key)
        ?? (key is StringValue name ? Safe(state, value, name.Text) : null)
        ?? UndefinedValue.OfMember(state, value, key);

    /// <summary>The attribute itself; undefined with SecurityError where the sandbox hides it, null where there is none.</summary>
    public static Value? Safe(RenderState state, Value value, string name)
    {
        if (value.IsHidden(name))
        {
            return UndefinedValue.Unsafe(value, name);
        }

        Value? attribute = value.Attribute(state, name);
        return attribute is not null && name.StartsWith('_') ? UndefinedValue.Unsafe(value, name) : attribute;
    }
}
