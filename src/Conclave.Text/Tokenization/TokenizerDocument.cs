using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>
/// A tokenizer.json in three parts. Vocabulary and merges are nearly all of it and have one form, so that one pass over their text reads
/// them; a document of their 10 MB would take several times as long to build. Everything else is a document.
/// </summary>
internal sealed class TokenizerDocument
{
    /// <summary>As deep as JSON may be nested.</summary>
    public const int MaxDepth = 256;

    private const long MaxBytes = 256L << 20;

    private TokenizerDocument(JsonCursor root, ReadOnlyMemory<byte> vocabulary, ReadOnlyMemory<byte> merges)
    {
        Root = root;
        Vocabulary = vocabulary;
        Merges = merges;
    }

    /// <summary>The document; "vocab" and "merges" of "model" are empty in it where they are an object and an array.</summary>
    public JsonCursor Root { get; }

    /// <summary>The text of the object "vocab"; empty where it is none.</summary>
    public ReadOnlyMemory<byte> Vocabulary { get; }

    /// <summary>The text of the array "merges"; empty where it is none.</summary>
    public ReadOnlyMemory<byte> Merges { get; }

    /// <exception cref="UserErrorException">The file cannot be read, or is not JSON.</exception>
    public static TokenizerDocument Read(string file)
    {
        ReadOnlyMemory<byte> text = TextFile.ReadUtf8(file, MaxBytes);
        List<Range> parts = [];
        try
        {
            FindParts(text.Span, parts);
        }
        catch (JsonException e)
        {
            throw JsonCursor.NotJson(file, e);
        }
        catch (InvalidOperationException e)
        {
            throw JsonCursor.UnpairedSurrogate(file, e);
        }

        using MemoryStream rest = new();
        ReadOnlyMemory<byte> vocabulary = default;
        ReadOnlyMemory<byte> merges = default;
        int copied = 0;
        foreach (Range part in parts)
        {
            ReadOnlyMemory<byte> value = text[part];
            bool isObject = value.Span[0] == '{';
            rest.Write(text.Span[copied..part.Start.Value]);
            rest.Write(isObject ? "{}"u8 : "[]"u8);
            copied = part.End.Value;
            if (isObject)
            {
                vocabulary = value;
            }
            else
            {
                merges = value;
            }
        }

        rest.Write(text.Span[copied..]);

        // A member that is there twice is found here.
        return new TokenizerDocument(JsonCursor.Parse(file, rest.ToArray()), vocabulary, merges);
    }

    private static void FindParts(ReadOnlySpan<byte> text, List<Range> parts)
    {
        Utf8JsonReader reader = new(text, new JsonReaderOptions { MaxDepth = MaxDepth });
        if (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isModel = reader.ValueTextEquals("model"u8);
                reader.Read();
                if (isModel && reader.TokenType == JsonTokenType.StartObject)
                {
                    FindModelParts(ref reader, parts);
                }
                else
                {
                    reader.Skip();
                }
            }
        }

        // What follows is checked too: to the last byte, this is JSON.
        while (reader.Read())
        {
        }
    }

    private static void FindModelParts(ref Utf8JsonReader reader, List<Range> parts)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            JsonTokenType wanted = reader.ValueTextEquals("vocab"u8) ? JsonTokenType.StartObject
                : reader.ValueTextEquals("merges"u8) ? JsonTokenType.StartArray : JsonTokenType.None;
            reader.Read();
            bool isPart = reader.TokenType == wanted;
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isPart)
            {
                parts.Add(start..(int)reader.BytesConsumed);
            }
        }
    }
}
