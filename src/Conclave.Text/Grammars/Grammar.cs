using System.Text;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// A set of texts, compiled to a pushdown automaton over UTF-8 bytes (and over tokens that are named by id). Immutable: any number of
/// sequences and threads may use one; what they share is computed once. Generated JSON has bounded white space: behind an opening bracket,
/// before a closing one and behind a comma nothing, one space, or a line break with at most 64 spaces or 16 tabs; behind a colon nothing or one
/// space. At most 64 brackets are open at once; numbers have bounded digits; strings are valid Unicode.
/// </summary>
public sealed class Grammar
{
    private readonly GrammarNode _root;
    private readonly Lazy<PushdownProgram> _program;
    private long _maskBytes;

    internal Grammar(GrammarNode root)
    {
        _root = root;
        _program = new Lazy<PushdownProgram>(() => GrammarCompiler.Compile(root, new GrammarBudget()));
    }

    private Grammar(GrammarNode root, PushdownProgram program)
    {
        _root = root;
        _program = new Lazy<PushdownProgram>(program);
    }

    internal PushdownProgram Program => _program.Value;

    internal GrammarNode Root => _root;

    /// <summary>Roughly what it takes in memory, with all that was computed for it alone so far.</summary>
    internal long Bytes => (_program.IsValueCreated ? Program.Bytes : 0) + Interlocked.Read(ref _maskBytes);

    /// <summary>Any JSON object.</summary>
    public static Grammar JsonObject() => new(JsonGrammar.AnyObject);

    /// <summary>
    /// JSON that a schema validates. Supported is what OpenAI documents for structured outputs: type (also a list), properties, required,
    /// additionalProperties, items, minItems, maxItems, enum, const, anyOf, $ref into the schema itself (recursion included), pattern, format
    /// (date-time, time, date, duration, email, hostname, ipv4, ipv6, uuid), minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf. Beside that
    /// the format uri, nullable, propertyNames that says no more than that names are strings, minLength and maxLength (in code points; strings end at the latest after 100,000), allOf of schemas that become one, and oneOf where the branches
    /// exclude each other by types, constants, ranges or required properties.
    /// Properties come in the schema's order, others behind them; without additionalProperties an object that declares properties has no others.
    /// Names, constants and strings under a pattern are written with the fewest escapes; numbers with bounds without exponent. Integers have 64 bits.
    /// What a pattern takes for any character is one beyond U+FFFF only where it repeats without an upper limit, so that validators that count UTF-16
    /// units agree.
    /// </summary>
    /// <param name="schema">The schema; it may be disposed afterwards.</param>
    /// <param name="strict">
    /// Whether a schema that is too large, uses what is not supported or allows nothing finite is refused (OpenAI's strict). Else any value of the types that it declares is taken in its place, an
    /// object where it declares none.
    /// </param>
    /// <exception cref="UserErrorException">
    /// The schema is wrong, or cannot be kept and <paramref name="strict"/>. The message names the path.
    /// </exception>
    public static Grammar FromJsonSchema(JsonElement schema, bool strict = true)
    {
        try
        {
            return FromStrictSchema(schema);
        }
        catch (UserErrorException) when (!strict)
        {
            return new Grammar(LaxSchema.Read(schema));
        }
    }

    private static Grammar FromStrictSchema(JsonElement schema)
    {
        GrammarBudget budget = new();
        GrammarNode root = SchemaReader.Read(schema, budget);
        try
        {
            return new Grammar(root, GrammarCompiler.Compile(root, budget));
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"the JSON schema: {e.Message}", e);
        }
    }

    /// <summary>Any text that is valid Unicode, such as what a model thinks before a named token ends it.</summary>
    public static Grammar AnyText() => new(JsonGrammar.Rule("any text", RegularParts.AnyText));

    /// <summary>Any text that is valid Unicode and in which some other texts do not occur.</summary>
    /// <param name="unwanted">What does not occur; none is empty.</param>
    /// <exception cref="UserErrorException">One of them is no valid Unicode, or too long.</exception>
    public static Grammar TextWithout(params ReadOnlySpan<string> unwanted)
    {
        GrammarBudget budget = new();
        ByteDfa text = RegularParts.AnyText;
        foreach (string one in unwanted)
        {
            text = RegularParts.Without(text, Utf8(one), budget);
        }

        return new Grammar(JsonGrammar.Rule("any text", text));
    }

    /// <summary>Exactly this text, whatever tokens it is made of.</summary>
    /// <exception cref="UserErrorException">The text has an unpaired surrogate.</exception>
    public static Grammar Literal(string text) => new(new GrammarNode.Bytes(Utf8(text)));

    /// <summary>
    /// Exactly this text, in which what the tokenizer keeps beside its model's vocabulary (special tokens, markers of tool calls) is
    /// that one token; the rest may be made of any tokens.
    /// </summary>
    /// <exception cref="UserErrorException">The text has an unpaired surrogate.</exception>
    public static Grammar Literal(string text, Tokenizer tokenizer)
    {
        _ = Utf8(text);
        List<int> ids = [];
        tokenizer.Encode(text, ids, addSpecialTokens: false);
        return new Grammar(new GrammarNode.Sequence(
            [.. ids.Select(id => tokenizer.IsAdded(id) ? new GrammarNode.Token(id) : (GrammarNode)new GrammarNode.Bytes([.. tokenizer.TokenBytes(id)]))]));
    }

    /// <summary>Exactly this token; the only way in which a special token can be part of a text.</summary>
    public static Grammar Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        return new Grammar(new GrammarNode.Token(id));
    }

    /// <summary>One after the other.</summary>
    public static Grammar Sequence(params ReadOnlySpan<Grammar> parts) => new(new GrammarNode.Sequence(Roots(parts)));

    /// <summary>Any one of them; at least one is expected.</summary>
    public static Grammar Choice(params ReadOnlySpan<Grammar> alternatives)
    {
        ArgumentOutOfRangeException.ThrowIfZero(alternatives.Length);
        return new Grammar(new GrammarNode.Choice(Roots(alternatives)));
    }

    /// <summary>The same again, at least <paramref name="min"/> times, with a separator between (parallel tool calls).</summary>
    /// <param name="item">What is repeated; it does not match the empty text.</param>
    /// <param name="separator">What stands between.</param>
    /// <param name="min">0 or more.</param>
    /// <param name="max">Not less than <paramref name="min"/>, at least 1; null for no limit.</param>
    public static Grammar Repeat(Grammar item, Grammar separator, int min = 1, int? max = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(min);
        ArgumentOutOfRangeException.ThrowIfLessThan(max ?? int.MaxValue, Math.Max(min, 1), nameof(max));
        return new Grammar(new GrammarNode.Separated(new GrammarNode.Call(new GrammarRule("a repeated part") { Body = item._root }), separator._root, min, max ?? -1));
    }

    /// <summary>The grammar itself, compiled: what is too large is said now and not when it is used.</summary>
    /// <exception cref="UserErrorException">The grammar is too large, or nothing finite matches.</exception>
    internal Grammar Compiled()
    {
        _ = _program.Value;
        return this;
    }

    internal void AddMaskBytes(long bytes) => Interlocked.Add(ref _maskBytes, bytes);

    private static byte[] Utf8(string text)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(text);
        }
        catch (EncoderFallbackException e)
        {
            throw new UserErrorException($"a literal with an unpaired surrogate at {e.Index}; only valid Unicode can be generated", e);
        }
    }

    private static GrammarNode[] Roots(ReadOnlySpan<Grammar> parts)
    {
        GrammarNode[] roots = new GrammarNode[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            roots[i] = parts[i]._root;
        }

        return roots;
    }
}
