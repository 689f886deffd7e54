using System.Collections.Concurrent;
using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>What models write before they answer, between two tags.</summary>
public sealed class Reasoning
{
    private const string Image = "<|media_pad|>";

    // One for all grammars, for each way of calling tools: their masks of it are the same.
    private readonly ConcurrentDictionary<string, Grammar> _thoughts = new(StringComparer.Ordinal);

    private Reasoning(string open, string close)
    {
        Open = open;
        Close = close;
    }

    /// <summary>Between <c>&lt;think&gt;</c> and <c>&lt;/think&gt;</c>.</summary>
    public static Reasoning Think { get; } = new("<think>", "</think>");

    /// <summary>Between <c>◁think▷</c> and <c>◁/think▷</c>, as Kimi-VL.</summary>
    public static Reasoning KimiVL { get; } = new("◁think▷", "◁/think▷");

    /// <summary>The tag that opens it.</summary>
    public string Open { get; }

    /// <summary>The tag that ends it.</summary>
    public string Close { get; }

    /// <summary>
    /// Between which tags a model thinks. Kimi-VL's are neither in its template nor tokens of their own: it is known by its token for images, and by having none for the other tag, as
    /// later models for images have.
    /// </summary>
    /// <param name="chatTemplate">The source of the model's chat template.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public static Reasoning Recognize(string chatTemplate, Tokenizer tokenizer) =>
        chatTemplate.Contains(KimiVL.Open, StringComparison.Ordinal) || (tokenizer.TryGetId(Image, out _) && !tokenizer.TryGetId(Think.Open, out _)) ? KimiVL : Think;

    /// <summary>
    /// Where a model goes on from a prompt: what counts is the tag at the prompt's very end. Where thinking is switched off, DeepSeek V3.1's template writes <c>&lt;/think&gt;</c> there, GLM's both tags.
    /// </summary>
    /// <param name="prompt">The rendered prompt.</param>
    public ReasoningPosition PositionAt(ReadOnlySpan<char> prompt)
    {
        ReadOnlySpan<char> end = prompt.TrimEnd();
        return end.EndsWith(Open) ? ReasoningPosition.Inside : end.EndsWith(Close) ? ReasoningPosition.Behind : ReasoningPosition.Before;
    }

    /// <summary>
    /// The grammar of an answer after any reasoning, which ends with its tag and at most two line breaks. A line break may stand before the tag that opens it, as GLM writes it.
    /// </summary>
    /// <param name="answer">The grammar of the answer.</param>
    /// <param name="tokenizer">The model's tokenizer: a tag that is a token of its own must be written as that.</param>
    /// <param name="position">Where the prompt ends: before reasoning the output may begin with it, or with the answer.</param>
    /// <param name="calls">How the model calls tools, where it may: no call stands in reasoning that <see cref="ChatOutputParser"/> would take for its end.</param>
    /// <exception cref="Conclave.Primitives.UserErrorException">The grammar is too large.</exception>
    public Grammar ThenAnswer(Grammar answer, Tokenizer tokenizer, ReasoningPosition position, ToolCallFormat? calls = null)
    {
        string[] ends = Ends(calls);
        Grammar lineBreaks = Grammar.Sequence(ToolGrammar.OptionalLineBreak, ToolGrammar.OptionalLineBreak);
        Grammar thought = Grammar.Sequence(_thoughts.GetOrAdd(string.Concat(ends), _ => Grammar.TextWithout(ends)), Grammar.Literal(Close, tokenizer), lineBreaks);
        Grammar before = position switch
        {
            ReasoningPosition.Inside => thought,
            ReasoningPosition.Behind => lineBreaks,
            _ => Grammar.Choice(Grammar.Literal(string.Empty), Grammar.Sequence(ToolGrammar.OptionalLineBreak, Grammar.Literal(Open, tokenizer), thought)),
        };
        return Grammar.Sequence(before, answer).Compiled();
    }

    /// <summary>What ends it: first its tag, then markers of calls.</summary>
    internal string[] Ends(ToolCallFormat? calls) => [Close, .. calls?.ReasoningEnds ?? []];
}
