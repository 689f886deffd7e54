using System.CommandLine;
using System.Text.Json.Nodes;
using Conclave.Cli.Frame;
using Conclave.Engine;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave chat: a conversation in the terminal.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        Option<string?> model = ModelDirectory.Option();
        Option<string?> template = ChatTemplateOption.Create();
        Option<string?> system = new("--system") { Description = "A system message before the conversation", HelpName = "TEXT" };
        SamplingArguments sampling = new();
        ComputeOptions compute = new();
        CliCommand command = new(
            "chat",
            "Talks to a model. /reset begins anew, /exit or the end of input leaves. Ctrl-C ends the answer that is being written, of which the conversation keeps what is there; at the prompt, or a second time, it leaves.",
            ("conclave chat", "talk to the bundled model"),
            ("conclave chat --model DeepSeek-V2-Lite-Chat --temperature 0.3", "talk to another one"),
            ("echo \"写一首题为《春夜》的诗。\" | conclave chat --seed 1", "one message from a pipe"))
        {
            model, template, system,
        };
        sampling.AddTo(command);
        compute.AddTo(command, cache: true, steps: true);
        command.SetAction((result, cancellation) =>
        {
            string directory = ModelDirectory.Resolve(result.GetValue(model));
            using LoadedModel loaded = compute.Load(result, directory, load => load with { ChatTemplate = result.GetValue(template) });
            ChatPrompt chat = loaded.Chat ?? throw new UserErrorException(
                $"{directory}: no chat template (tokenizer_config.json or chat_template.jinja); 'conclave generate' continues texts without one");
            using InferenceEngine engine = new(loaded, new EngineOptions { MaxRunning = 1 });
            SamplingOptions options = sampling.Read(result, loaded.SuggestedSampling, null);
            Converse(result.InvocationConfiguration.Output, chat, engine, options, result.GetValue(system), cancellation);
            return Task.FromResult(0);
        });
        return command;
    }

    private static void Converse(
        TextWriter output, ChatPrompt chat, InferenceEngine engine, SamplingOptions options, string? system, CancellationToken cancellation)
    {
        JsonArray messages = [];
        void Reset()
        {
            messages.Clear();
            if (system is not null)
            {
                messages.Add(Message("system", system));
            }
        }

        Reset();
        bool interactive = !Console.IsInputRedirected;
        while (ReadMessage(output, interactive, cancellation) is { } message)
        {
            switch (message.Trim())
            {
                case "":
                    continue;
                case "/exit" or "/quit":
                    return;
                case "/reset":
                    Reset();
                    continue;
                case ['/', ..] unknown when interactive:
                    output.WriteLine($"{unknown}: /reset begins anew, /exit leaves");
                    continue;
            }

            messages.Add(Message("user", message));
            try
            {
                ChatRequest request = new(chat, messages, new ChatTools([], null, ToolChoice.None));
                ChatAnswerWriter writer = new(output, request.CreateParser(), chat.Reasoning, Terminal.OutputHasColours);
                GenerationRequest generation = request.ToGeneration(options, null, engine.Grammars);

                // Who sends messages through a pipe sees no prompt at which to leave.
                GeneratedText answer = interactive
                    ? Interruption.EndsOnly(end => GeneratedText.Wait(engine, generation, writer.Write, end), cancellation)
                    : GeneratedText.Wait(engine, generation, writer.Write, cancellation);
                writer.Finish();
                messages.Add(Message("assistant", writer.Content));
                WriteStatistics(answer);
            }
            catch (UserErrorException e) when (interactive)
            {
                // A conversation that has become too long is not the end of the program.
                messages.RemoveAt(messages.Count - 1);
                output.WriteLine($"{Terminal.Printable(e.Message)}; /reset begins anew");
            }

            cancellation.ThrowIfCancellationRequested();
        }
    }

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

    private static string? ReadMessage(TextWriter output, bool interactive, CancellationToken cancellation)
    {
        if (interactive)
        {
            output.Write("> ");
            output.Flush();
        }

        return StandardInput.Read(Console.In.ReadLine, cancellation);
    }

    private static void WriteStatistics(GeneratedText answer)
    {
        Generation generation = answer.Generation;
        int promptTokens = generation.Request.Prompt.Count;
        string reused = generation.ReusedTokens > 0 ? $", {generation.ReusedTokens} of them from the cache" : "";
        double prefill = (promptTokens - generation.ReusedTokens) / Math.Max(generation.Times.Prefill.TotalSeconds, 1e-9);
        double decode = answer.Tokens.Count / Math.Max(generation.Times.Decode.TotalSeconds, 1e-9);
        string text = $"[{promptTokens} prompt tokens{reused}, {prefill:F0} tokens/s; {answer.Tokens.Count} answer tokens, {decode:F1} tokens/s]";
        Console.Error.WriteLine(Terminal.ErrorHasColours ? $"\e[2m{text}\e[0m" : text);
    }
}
