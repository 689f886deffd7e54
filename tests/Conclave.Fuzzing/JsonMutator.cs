using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Conclave.Fuzzing;

/// <summary>
/// Damages JSON in its structure: what comes out is JSON again, so that the checks behind the parser are reached. Trees are kept as text of
/// scalars, since values that no JSON library writes (lone surrogates, keys there twice) are wanted.
/// </summary>
internal sealed class JsonMutator(int seed)
{
    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-0", "1", "-1", "2", "0.5", "1.0", "1e3", "1e-999", "1e999", "-1e308", "255", "256", "2147483647", "2147483648",
        "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616", "100000000000000000000000000000",
        "\"\"", "\" \"", "\"0\"", "\"NaN\"", "\"Infinity\"", "\"a b\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\"", "\"../x\"", "\"/etc/passwd\"",
        "\"😀\"", "\"Sequence\"", "[]", "[null]", "[0]", "[-1, 2]", "[[]]", "[\"a\", \"b\"]", "{}", "{\"a\": 1}", "{\"type\": \"Sequence\"}", "{\"\": null}",
    ];

    private readonly Random _random = new(seed);

    /// <summary>A damaged copy; null where the input is not JSON.</summary>
    public byte[]? Next(byte[] json)
    {
        Node root;
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 256 });
            root = Node.From(document.RootElement);
        }
        catch (JsonException)
        {
            return null;
        }

        for (int rounds = 1 << _random.Next(3); rounds > 0; rounds--)
        {
            Damage(root);
        }

        StringBuilder text = new();
        root.Write(text);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private void Damage(Node root)
    {
        // Deep places are found as often as shallow ones although wide lists have most of the nodes.
        Node parent = root;
        while (parent.Children is { Count: > 0 } children && _random.Next(4) != 0 && children[_random.Next(children.Count)].Value is { Children.Count: > 0 } next)
        {
            parent = next;
        }

        if (parent.Children is not { Count: > 0 } places)
        {
            parent.Become(Values[_random.Next(Values.Length)]);
            return;
        }

        int at = _random.Next(places.Count);
        Node value = places[at].Value;
        switch (_random.Next(9))
        {
            case 0:
                places.RemoveAt(at);
                break;
            case 1:
                places.Insert(_random.Next(places.Count + 1), (places[at].Key, value.Copy()));
                break;
            case 2:
                places[at] = (places[_random.Next(places.Count)].Key, value);
                break;
            case 3:
                (places[at], places[^1]) = (places[^1], places[at]);
                break;
            case 4:
                places[at] = (places[at].Key, places[_random.Next(places.Count)].Value.Copy());
                break;
            case 5:
                Nest(value);
                break;
            case 6 when places.Count < 10_000:
                int copies = 1 << _random.Next(8);
                places.InsertRange(at, Enumerable.Range(0, copies).Select(i => (places[at].Key is { } key ? $"{key}{i}" : null, value.Copy())));
                break;
            default:
                value.Become(Values[_random.Next(Values.Length)]);
                break;
        }
    }

    private void Nest(Node value)
    {
        int depth = 1 << _random.Next(12);
        string text = value.ToString();
        value.Become(_random.Next(2) == 0
            ? new string('[', depth) + text + new string(']', depth)
            : string.Concat(Enumerable.Repeat("{\"type\":\"Sequence\",\"normalizers\":[", depth)) + text + string.Concat(Enumerable.Repeat("]}", depth)));
    }

    /// <summary>An object, a list (its keys are null), or the text of anything else.</summary>
    private sealed class Node
    {
        private bool _isObject;
        private string _text = "";

        public List<(string? Key, Node Value)>? Children { get; private set; }

        public static Node From(JsonElement element) => element.ValueKind switch
        {
            JsonValueKind.Object => new Node { _isObject = true, Children = [.. element.EnumerateObject().Select(p => ((string?)Key(p), From(p.Value)))] },
            JsonValueKind.Array => new Node { Children = [.. element.EnumerateArray().Select(item => ((string?)null, From(item)))] },
            _ => new Node { _text = element.GetRawText() },
        };

        public void Become(string text)
        {
            Children = null;
            _text = text;
        }

        public Node Copy() => Children is null
            ? new Node { _text = _text }
            : new Node { _isObject = _isObject, Children = [.. Children.Select(child => (child.Key, child.Value.Copy()))] };

        public void Write(StringBuilder text)
        {
            if (Children is null)
            {
                text.Append(_text);
                return;
            }

            text.Append(_isObject ? '{' : '[');
            for (int i = 0; i < Children.Count; i++)
            {
                text.Append(i == 0 ? "" : ",");
                if (_isObject)
                {
                    text.Append('"').Append(Children[i].Key).Append("\":");
                }

                Children[i].Value.Write(text);
            }

            text.Append(_isObject ? '}' : ']');
        }

        public override string ToString()
        {
            StringBuilder text = new();
            Write(text);
            return text.ToString();
        }

        // As it is between the quotation marks, escapes included.
        private static string Key(JsonProperty property) => Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8PropertyName(property));
    }
}
