using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>What models write between <c>&lt;think&gt;</c> and <c>&lt;/think&gt;</c> before they answer.</summary>
public static class Reasoning
{
    /// <summary>The tag that opens it.</summary>
    internal const string Open = "<think>";

    /// <summary>The tag that ends it.</summary>
    internal const string Close = "</think>";

    // One for all grammars: their masks of it are the same.
    internal static readonly Grammar Thought = Grammar.TextWithout(Close);

    /// <summary>
    /// Whether a model that goes on from a prompt is thinking: the chat template has opened the tag at the prompt's end. A template that
    /// writes <c>&lt;/think&gt;</c> there (DeepSeek V3.1), or opens and closes it, has not.
    /// </summary>
    /// <param name="prompt">The rendered prompt.</param>
    public static bool StartsInside(ReadOnlySpan<char> prompt) => prompt.TrimEnd().EndsWith(Open);

    /// <summary>
    /// The grammar of an answer after any reasoning, which ends with its tag and at most two line breaks. A line break may stand before the tag that opens it, as GLM writes it.
    /// </summary>
    /// <param name="answer">The grammar of the answer.</param>
    /// <param name="tokenizer">The model's tokenizer: a tag that is a token of its own must be written as that.</param>
    /// <param name="startsInside">The prompt ends inside of reasoning; otherwise the output may begin with it, or with the answer.</param>
    /// <param name="calls">How the model calls tools, where it may: no call stands in reasoning that <see cref="ChatOutputParser"/> would take for its end.</param>
    /// <exception cref="Conclave.Primitives.UserErrorException">The grammar is too large.</exception>
    public static Grammar ThenAnswer(Grammar answer, Tokenizer tokenizer, bool startsInside, ToolCallFormat? calls = null)
    {
        Grammar thought = Grammar.Sequence(calls?.Thought ?? Thought, Grammar.Literal(Close, tokenizer), ToolGrammar.OptionalLineBreak, ToolGrammar.OptionalLineBreak);
        thought = startsInside ? thought : Grammar.Choice(Grammar.Literal(string.Empty), Grammar.Sequence(ToolGrammar.OptionalLineBreak, Grammar.Literal(Open, tokenizer), thought));
        return Grammar.Sequence(thought, answer).Compiled();
    }
}
