using System.Text;
using Conclave.Primitives;

namespace Conclave.Engine;

/// <summary>A whole answer, for those who wait for it.</summary>
/// <param name="Text">The text, without the stop string or end token.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Finish">Why it ended.</param>
/// <param name="Generation">The request and how it went.</param>
public sealed record GeneratedText(string Text, IReadOnlyList<int> Tokens, FinishReason Finish, Generation Generation)
{
    /// <summary>Generates one answer and waits for its end.</summary>
    /// <param name="engine">Who computes.</param>
    /// <param name="request">What; it has one sample.</param>
    /// <param name="onText">Told each piece of text when it can no longer change.</param>
    /// <param name="cancellation">Ends the answer where it is, with <see cref="FinishReason.Cancelled"/>.</param>
    /// <exception cref="UserErrorException">The prompt or an option cannot be used.</exception>
    /// <exception cref="EngineUnavailableException">The engine takes no request now, or it stopped or failed before the end.</exception>
    /// <exception cref="InvalidOperationException">The model's logits leave no token to choose.</exception>
    public static GeneratedText Wait(
        InferenceEngine engine, GenerationRequest request, Action<string> onText, CancellationToken cancellation = default)
    {
        Generation generation = engine.Submit(request);
        using CancellationTokenRegistration registration = cancellation.Register(generation.Cancel);
        StringBuilder text = new();
        List<int> tokens = [];
        FinishReason finish = FinishReason.Cancelled;

        // The engine answers a cancellation too: the answer's last update says so.
        foreach (GenerationUpdate update in generation.ReadAllAsync(CancellationToken.None).ToBlockingEnumerable(CancellationToken.None))
        {
            finish = update.Finish ?? finish;
            if (update.Token is { } token)
            {
                tokens.Add(token);
            }

            if (update.Text.Length > 0)
            {
                text.Append(update.Text);
                onText(update.Text);
            }
        }

        return new GeneratedText(text.ToString(), tokens, finish, generation);
    }
}
