namespace Conclave.Text;

/// <summary>A lazy iterator: true even when it will give nothing, without a length, and exhausted after one pass.</summary>
internal sealed class GeneratorValue(string typeName, string function, IEnumerator<Value> items) : Value
{
    public override string TypeName => typeName;

    public static GeneratorValue Of(string function, IEnumerable<Value> items) => new("generator", function, items.GetEnumerator());

    public override void WriteRepr(TextBuffer buffer) =>
        buffer.Append(typeName == "generator" ? $"<generator object {function}>" : $"<{typeName} object>");

    public override IEnumerator<Value> Iterate(RenderState state)
    {
        // A chain of generators is walked recursively.
        while (Next())
        {
            yield return items.Current;
        }
    }

    private bool Next()
    {
        RenderState.EnsureStack();
        return items.MoveNext();
    }
}
