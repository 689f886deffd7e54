using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI.Tests;

/// <summary>Options become what the server would read of OpenAI's fields.</summary>
public sealed class OptionsReaderTests
{
    [Theory]
    [InlineData(ReasoningEffort.None, "none", false)]
    [InlineData(ReasoningEffort.Low, "low", true)]
    [InlineData(ReasoningEffort.Medium, "medium", true)]
    [InlineData(ReasoningEffort.High, "high", true)]
    [InlineData(ReasoningEffort.ExtraHigh, "xhigh", true)]
    public void TheTemplateIsToldTheEffortInTheApisWords(ReasoningEffort effort, string word, bool thinks)
    {
        OptionsReader reader = new(new ChatOptions { Reasoning = new ReasoningOptions { Effort = effort } }, "fable");
        Assert.Equal($$"""{"thinking":{{(thinks ? "true" : "false")}},"enable_thinking":{{(thinks ? "true" : "false")}},"reasoning_effort":"{{word}}"}""", reader.TemplateArguments!.ToJsonString());
    }

    [Fact]
    public void NotSeveralCallsAreNotAllowed()
    {
        Assert.True(new OptionsReader(new ChatOptions(), "fable").Tools.Parallel);
        Assert.False(new OptionsReader(new ChatOptions { AllowMultipleToolCalls = false }, "fable").Tools.Parallel);
    }
}
