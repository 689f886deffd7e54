// Streams a tale from a model in this process. Run it from the root of the checkout: dotnet run --project samples/Tale -c Release
using Conclave.Engine;
using Conclave.Extensions.AI;
using Conclave.Primitives;
using Microsoft.Extensions.AI;

LoadedModel loaded;
try
{
    loaded = LoadedModel.Open(args.Length > 0 ? args[0] : "models/fable", new LoadOptions());
}
catch (UserErrorException e)
{
    // What is wrong with the folder, and what to do about it.
    Console.Error.WriteLine($"error: {e.Message}");
    return 2;
}

using LoadedModel model = loaded;
using InferenceEngine engine = new(model, new EngineOptions());
using ConclaveChatClient client = new(model, engine);

// Ctrl-C cancels the answer, not the process.
using CancellationTokenSource cancel = new();
Console.CancelKeyPress += (_, signal) =>
{
    signal.Cancel = true;
    cancel.Cancel();
};

ChatOptions options = new() { Seed = 7, MaxOutputTokens = 300 };
UsageDetails? usage = null;
try
{
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Tell me a story about a fox.", options, cancel.Token))
    {
        // What the model thinks before the tale is a TextReasoningContent and no part of the text.
        Console.Write(update.Text);
        usage = update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details ?? usage;
    }
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("[cancelled]");
}

Console.WriteLine();
Console.Error.WriteLine($"[{usage?.InputTokenCount} tokens of prompt, {usage?.OutputTokenCount} tokens of answer]");
return 0;
