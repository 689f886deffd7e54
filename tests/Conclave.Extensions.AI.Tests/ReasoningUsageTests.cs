using Conclave.Engine;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Which of an answer's tokens were reasoning.</summary>
public sealed class ReasoningUsageTests(ThinkingFixture thinking) : IClassFixture<ThinkingFixture>
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TokensOfReasoningAreCounted(bool thinks)
    {
        ChatOptions options = new()
        {
            Seed = 5, MaxOutputTokens = 30, Reasoning = new ReasoningOptions { Effort = thinks ? ReasoningEffort.High : ReasoningEffort.None, Output = ReasoningOutput.None },
        };
        List<ChatResponseUpdate> updates = await thinking.StreamAsync([new ChatMessage(ChatRole.User, "How warm is it in Rome?")], options);
        Assert.True(thinking.Model.Tokenizer.TryGetId("</think>", out int close));
        int[] tokens = [.. updates.Select(update => ((GenerationUpdate)update.RawRepresentation!).Token).OfType<int>()];
        int end = Array.IndexOf(tokens, close);
        Assert.Equal(!thinks ? 0 : end < 0 ? tokens.Length : end, updates.ToChatResponse().Usage!.ReasoningTokenCount);
    }
}
