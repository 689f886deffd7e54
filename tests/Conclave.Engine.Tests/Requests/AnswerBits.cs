namespace Conclave.Engine.Tests.Requests;

/// <summary>What a request was answered, down to the bits of its log-probabilities.</summary>
internal static class AnswerBits
{
    /// <summary>A line for each answer.</summary>
    public static async Task<string[]> ReadAsync(Generation generation)
    {
        string[] answers = new string[generation.Request.Samples];
        await foreach (GenerationUpdate update in generation.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            IEnumerable<string> top = update.Logprobs!.Top.Select(one => $"{one.Token}:{BitConverter.DoubleToInt64Bits(one.Logprob):x}");
            answers[update.Sample] += $"{update.Token} {string.Join(' ', top)} {update.Finish}; ";
        }

        return answers;
    }
}
