using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>
/// Reads from tokenizer_config.json whether the tokens of beginning and end stand around a text: <c>add_bos_token</c> and <c>add_eos_token</c>. The tokenizer.json of DeepSeek's models says nothing of
/// them. Source: Hugging Face transformers, LlamaTokenizerFast.update_post_processor.
/// </summary>
internal static class SurroundingTokensReader
{
    /// <param name="parts">What tokenizer.json says.</param>
    /// <param name="file">tokenizer_config.json; may be absent.</param>
    /// <exception cref="UserErrorException">The file is malformed, or the token to add is not one of the vocabulary.</exception>
    public static TokenizerParts Read(TokenizerParts parts, string file)
    {
        if (!File.Exists(file))
        {
            return parts;
        }

        JsonCursor root = JsonCursor.ReadFile(file);

        // This class takes its word for it in both directions, and puts the beginning there where it is not asked; the others add what is missing.
        bool exact = root.Optional("tokenizer_class")?.String().StartsWith("LlamaTokenizer", StringComparison.Ordinal) ?? false;
        return parts with
        {
            Before = Change(parts.Before, root, "bos_token", parts.Vocabulary, exact, inFront: true),
            After = Change(parts.After, root, "eos_token", parts.Vocabulary, exact, inFront: false),
        };
    }

    private static int[] Change(int[] ids, JsonCursor root, string name, Vocabulary vocabulary, bool exact, bool inFront)
    {
        // A key that is left out is not null: the class has its own word then.
        string key = $"add_{name}";
        bool? whereAbsent = exact && !root.Has(key) ? inFront : null;
        if ((root.Optional(key)?.Boolean() ?? whereAbsent) is not { } adds || root.Optional(name) is not { } token)
        {
            return ids;
        }

        string text = token.Kind == JsonValueKind.Object ? token.Required("content").String() : token.String();
        if (!vocabulary.TryGetId(text, out int id))
        {
            return adds ? throw token.Error($"{key} is true, but \"{text}\" is not a token of tokenizer.json; correct {name}, or set {key} to false") : ids;
        }

        return adds == ids.Contains(id) ? ids
            : adds ? inFront ? [id, .. ids] : [.. ids, id]
            : exact ? [.. ids.Where(other => other != id)]
            : ids;
    }
}
