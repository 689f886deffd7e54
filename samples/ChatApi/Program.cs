// A chat endpoint that streams text, with a function that the model may call. Run it from the root of the checkout: dotnet run --project samples/ChatApi -c Release, then
// curl -N http://127.0.0.1:5000/chat -d 'Tell me a story about a fox.'
using Conclave.Primitives;
using Microsoft.Extensions.AI;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.Services.AddConclave(options => options.ModelDirectory = builder.Configuration["Model"] ?? "models/fable").UseFunctionInvocation();
WebApplication app = builder.Build();

try
{
    // Loads the model now, not with the first request.
    _ = app.Services.GetRequiredService<IChatClient>();
}
catch (UserErrorException e)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 2;
}

// Where the model calls it, its result goes back to the model, and the answer goes on. (Fable was trained on tales; a model that knows tools calls it when asked for the time.)
AIFunction time = AIFunctionFactory.Create(() => DateTimeOffset.Now.ToString("t"), "get_time", "The time of day.");

// Whoever leaves cancels the answer.
app.MapPost("/chat", async (HttpRequest request, HttpResponse response, IChatClient client, CancellationToken left) =>
{
    using StreamReader reader = new(request.Body);
    string message = await reader.ReadToEndAsync(left);
    response.ContentType = "text/plain; charset=utf-8";
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(message, new ChatOptions { MaxOutputTokens = 500, Tools = [time] }, left))
    {
        if (update.Text.Length > 0)
        {
            await response.WriteAsync(update.Text, left);
        }
    }
});

await app.RunAsync();
return 0;
