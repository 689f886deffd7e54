using System.Globalization;

namespace Conclave.Text;

/// <summary>
/// JSON as Python's <c>json.dumps</c> writes it. The writers of System.Text.Json escape emoji and other characters even in their most
/// relaxed mode, so they cannot stand in.
/// </summary>
internal sealed class JsonText
{
    private readonly TextBuffer _output;
    private readonly bool _asciiOnly;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private readonly bool _sortKeys;

    private JsonText(TextBuffer output, bool asciiOnly, string? indent, string itemSeparator, string keySeparator, bool sortKeys)
    {
        _output = output;
        _asciiOnly = asciiOnly;
        _indent = indent;
        _itemSeparator = itemSeparator;
        _keySeparator = keySeparator;
        _sortKeys = sortKeys;
    }

    private static readonly Signature Parameters = new("tojson", "x", "ensure_ascii?", "indent?", "separators?", "sort_keys?");

    /// <summary>The filter tojson with the parameters that transformers gives it.</summary>
    public static Value Filter(RenderState state, Arguments arguments)
    {
        Value?[] bound = Parameters.Bind(arguments);
        string? indent = bound[2] switch
        {
            null or NoneValue => null,
            StringValue text => text.Text,
            { } value when value.TryInteger(out _) => Spaces(state, Arguments.Integer(state, value)),
            { } value => throw TemplateErrors.Type($"can't multiply sequence by non-int of type '{value.TypeName}'"),
        };
        (string items, string keys) = bound[3] is null or NoneValue
            ? (indent is null ? ", " : ",", ": ")
            : Separators(state, bound[3]!);
        TextBuffer output = new(state);
        JsonText writer = new(output, bound[1]?.IsTrue ?? false, indent, items, keys, bound[4]?.IsTrue ?? false);
        writer.Write(bound[0]!, 0);
        return state.Text(output.ToString());
    }

    private static string Spaces(RenderState state, int count)
    {
        state.CheckLength(count);
        return new string(' ', Math.Max(0, count));
    }

    private static (string Items, string Keys) Separators(RenderState state, Value value)
    {
        List<Value> parts = value.ToList(state);
        if (parts.Count != 2)
        {
            throw TemplateErrors.Unpacking(2, parts.Count);
        }

        return parts is [StringValue items, StringValue keys]
            ? (items.Text, keys.Text)
            : throw TemplateErrors.Type("separators must be strings");
    }

    private void Write(Value value, int level)
    {
        RenderState.EnsureStack();
        _output.State.Step();
        switch (value)
        {
            case NoneValue:
                _output.Append("null");
                break;
            case BooleanValue boolean:
                _output.Append(boolean.Truth ? "true" : "false");
                break;
            case IntegerValue integer:
                _output.Append(IntegerValue.Digits(integer.Number));
                break;
            case FloatValue real:
                _output.Append(Float(real.Number));
                break;
            case StringValue text:
                WriteString(text.Text);
                break;
            case SequenceValue sequence:
                WriteArray(sequence.Items, level);
                break;
            case DictValue dict:
                WriteObject(dict, level);
                break;
            default:
                throw TemplateErrors.Type($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private void WriteArray(IReadOnlyList<Value> items, int level)
    {
        if (items.Count == 0)
        {
            _output.Append("[]");
            return;
        }

        _output.Append('[');
        for (int i = 0; i < items.Count; i++)
        {
            _output.Append(i > 0 ? _itemSeparator : "");
            NewLine(level + 1);
            Write(items[i], level + 1);
        }

        NewLine(level);
        _output.Append(']');
    }

    private void WriteObject(DictValue dict, int level)
    {
        if (dict.Items.Count == 0)
        {
            _output.Append("{}");
            return;
        }

        _output.Append('{');
        IEnumerable<Value> keys = _sortKeys ? Comparison.Sort(_output.State, [.. dict.Items.Keys], key => key, reverse: false) : dict.Items.Keys;
        bool first = true;
        foreach (Value key in keys)
        {
            _output.Append(first ? "" : _itemSeparator);
            first = false;
            NewLine(level + 1);
            WriteString(Key(key));
            _output.Append(_keySeparator);
            Write(dict.Items[key], level + 1);
        }

        NewLine(level);
        _output.Append('}');
    }

    private static string Key(Value key) => key switch
    {
        StringValue text => text.Text,
        NoneValue => "null",
        BooleanValue boolean => boolean.Truth ? "true" : "false",
        IntegerValue integer => IntegerValue.Digits(integer.Number),
        FloatValue real => Float(real.Number),
        _ => throw TemplateErrors.Type($"keys must be str, int, float, bool or None, not {key.TypeName}"),
    };

    private static string Float(double number) => double.IsNaN(number) ? "NaN"
        : double.IsPositiveInfinity(number) ? "Infinity"
        : double.IsNegativeInfinity(number) ? "-Infinity"
        : FloatText.Repr(number);

    private void NewLine(int level)
    {
        if (_indent is null)
        {
            return;
        }

        _output.Append('\n');
        for (int i = 0; i < level; i++)
        {
            _output.Append(_indent);
        }
    }

    private void WriteString(string text)
    {
        _output.Append('"');
        foreach (char unit in text)
        {
            switch (unit)
            {
                case '"':
                    _output.Append("\\\"");
                    break;
                case '\\':
                    _output.Append("\\\\");
                    break;
                case '\n':
                    _output.Append("\\n");
                    break;
                case '\r':
                    _output.Append("\\r");
                    break;
                case '\t':
                    _output.Append("\\t");
                    break;
                case '\b':
                    _output.Append("\\b");
                    break;
                case '\f':
                    _output.Append("\\f");
                    break;
                case < ' ':
                case >= '\x7f' when _asciiOnly:
                    _output.Append(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"));
                    break;
                default:
                    _output.Append(unit);
                    break;
            }
        }

        _output.Append('"');
    }
}
