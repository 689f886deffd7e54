using System.Text;
using System.Text.Json;
using Conclave.Testing;

namespace Conclave.Bench.Grammars;

/// <summary>Documents as a model would write them, with words of a real text, never the same twice.</summary>
internal sealed class Documents
{
    public const string Schema = """
        {
          "type": "object",
          "properties": {
            "title": { "type": "string", "minLength": 1, "maxLength": 200 },
            "year": { "type": "integer", "minimum": 1900, "maximum": 2100 },
            "rating": { "type": "number" },
            "published": { "type": "string", "format": "date" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "kind": { "enum": ["book", "article", "letter"] },
            "author": { "$ref": "#/$defs/person" },
            "chapters": { "type": "array", "items": { "$ref": "#/$defs/chapter" } }
          },
          "required": ["title", "year", "rating", "published", "tags", "kind", "author", "chapters"],
          "additionalProperties": false,
          "$defs": {
            "person": { "type": "object", "properties": { "name": { "type": "string" }, "age": { "type": ["integer", "null"] } }, "required": ["name", "age"], "additionalProperties": false },
            "chapter": { "type": "object", "properties": { "heading": { "type": "string", "maxLength": 1000 }, "sub": { "type": "array", "items": { "$ref": "#/$defs/chapter" } } }, "required": ["heading", "sub"], "additionalProperties": false }
          }
        }
        """;

    private const int LongestTitle = 200;
    private const int LongestHeading = 1000;

    private readonly Random _random = new(7);
    private readonly string[] _words = File.ReadAllText(Path.Combine(Repository.Fable, "evaluation.txt")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    public byte[] Next()
    {
        StringBuilder text = new();
        text.Append($"{{\"title\": {Text(5, LongestTitle)}, \"year\": {_random.Next(1900, 2101)}, \"rating\": {_random.Next(100) / 10.0}, \"published\": \"19{_random.Next(10, 99)}-0{_random.Next(1, 9)}-1{_random.Next(10)}\",\n");
        text.Append($"  \"tags\": [{Text(1)}, {Text(2)}], \"kind\": \"article\", \"author\": {{\"name\": {Text(2)}, \"age\": null}}, \"chapters\": ");
        Chapters(text, 0);
        return Encoding.UTF8.GetBytes(text.Append('}').ToString());
    }

    private void Chapters(StringBuilder text, int depth)
    {
        text.Append('[');
        for (int i = 0; i < (depth > 3 ? 0 : _random.Next(1, 3)); i++)
        {
            text.Append(i > 0 ? ", " : "").Append("{\"heading\": ").Append(Text(12, LongestHeading)).Append(", \"sub\": ");
            Chapters(text, depth + 1);
            text.Append('}');
        }

        text.Append(']');
    }

    // Some texts have no spaces, so that a word can be a paragraph.
    private string Text(int words, int longest = int.MaxValue)
    {
        string text = string.Join(' ', Enumerable.Range(0, words).Select(_ => _words[_random.Next(_words.Length)]));
        return "\"" + JsonEncodedText.Encode(string.Concat(text.EnumerateRunes().Take(longest)), System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping) + "\"";
    }
}
