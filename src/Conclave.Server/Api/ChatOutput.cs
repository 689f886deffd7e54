using System.Text.Json.Nodes;
using Conclave.Server.Http;
using Conclave.Text;
using Conclave.Text.Chat;
using Conclave.Text.Grammars;

namespace Conclave.Server.Api;

/// <summary>What the text of a request's answers means: where reasoning ends, and which tools it may or must call.</summary>
/// <param name="Format">How the model writes tool calls; null: it does not, or there are no tools.</param>
/// <param name="StartsInsideReasoning">The prompt ends with an open tag.</param>
/// <param name="Tools">The request's tools.</param>
/// <param name="EarlierToolCalls">Calls in the conversation so far.</param>
internal sealed record ChatOutput(ToolCallFormat? Format, bool StartsInsideReasoning, ChatTools Tools, int EarlierToolCalls)
{
    /// <summary>Markers of calls may be special tokens.</summary>
    public bool NeedsSpecialTokens => Format is not null;

    /// <exception cref="ApiException">A tool must be called, and the model's way of calling is not known.</exception>
    public static ChatOutput Of(ToolCallFormat? format, string prompt, JsonArray messages, ChatTools tools)
    {
        if (tools.Forced.Count > 0 && format is null)
        {
            throw ApiException.Invalid("tool_choice: this model's chat template writes no tool calls that are known here; ask for JSON with response_format", "tool_choice");
        }

        int earlier = messages.OfType<JsonObject>().Sum(message => (message["tool_calls"] as JsonArray)?.Count ?? 0);
        return new ChatOutput(tools.Tools.Count > 0 ? format : null, Reasoning.StartsInside(prompt), tools, earlier);
    }

    /// <summary>What the whole output must be: a call, or the response format, either behind any reasoning; null: anything.</summary>
    public Grammar? Grammar(string? responseFormat, Tokenizer tokenizer, GrammarCache cache)
    {
        bool forced = Tools.Forced.Count > 0;
        if (!forced && responseFormat is null)
        {
            return null;
        }

        string answer = forced
            ? $"tools {Tools.Parallel} {(Format!.NumbersCalls ? EarlierToolCalls : 0)} {string.Join('\n', Tools.Forced.Select(static tool => $"{tool.Name}\n{(tool.Parameters is { } schema ? JsonBody.Canonical(schema) : "")}"))}"
            : responseFormat!;
        return cache.GetOrAdd($"answer {StartsInsideReasoning} {answer}", () => Reasoning.ThenAnswer(
            forced ? Format!.CreateGrammar(Tools.Forced, tokenizer, Tools.Parallel, EarlierToolCalls) : ResponseFormat.Grammar(responseFormat!), tokenizer, StartsInsideReasoning));
    }

    /// <summary>What reads one answer.</summary>
    public ChatOutputParser CreateParser() => new(Format, StartsInsideReasoning, Tools.Tools, EarlierToolCalls);
}
