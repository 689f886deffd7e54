using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conclave.Cli.Frame;
using Conclave.Engine;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>conclave generate: one prompt, one answer.</summary>
internal static class GenerateCommand
{
    private const int DefaultMaxTokens = 256;

    public static Command Create(RankLeader? leader)
    {
        Argument<string?> prompt = new("PROMPT") { Description = "The text to continue or, with --chat, the message to answer; \"-\" reads it from standard input, the end of its last line included", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> model = ModelDirectory.Option();
        Option<bool> raw = new("--raw") { Description = "Continue the prompt as it is (the default)" };
        Option<bool> chat = new("--chat") { Description = "Answer the prompt as a message, through the model's chat template" };
        Option<string?> template = ChatTemplateOption.Create();
        Option<string?> ids = new("--ids") { Description = "The prompt as token ids", HelpName = "1,2,3" };
        Option<bool> json = new("--json") { Description = "Write one JSON object at the end instead of streaming text" };
        SamplingArguments sampling = new();
        ComputeOptions compute = new(leader);
        CliCommand command = new(
            "generate", "Generates an answer to one prompt.",
            ("conclave generate --chat \"Tell me a story about a fox.\"", "the bundled model tells a story"),
            ("conclave generate \"Once upon a time\" --max-tokens 50 --seed 7", "continue a text, the same way every time"),
            ("conclave generate --model DeepSeek-V2-Lite --chat \"Why is the sky blue?\" --temperature 0", "another model, without chance"),
            ("conclave generate - <chapter.txt", "continue the text of a file"),
            ("conclave generate --ids 0,3,70 --max-tokens 8 --json", "from token ids, for programs"))
        {
            prompt, model, raw, chat, template, ids, json,
        };
        sampling.AddTo(command);
        compute.AddTo(command, cache: true, steps: true);
        command.Validators.Add(result =>
        {
            if (result.GetValue(raw) && result.GetValue(chat))
            {
                result.AddError("--raw and --chat exclude each other");
            }

            if (result.GetValue(template) is not null && !result.GetValue(chat))
            {
                result.AddError("--chat-template is of use with --chat only");
            }

            if ((result.GetValue(prompt) is null) == (result.GetValue(ids) is null))
            {
                result.AddError("either PROMPT or --ids is expected");
            }

            if (result.GetValue(ids) is not null && result.GetValue(chat))
            {
                result.AddError("--ids and --chat exclude each other: ids are the whole prompt");
            }
        });
        command.SetAction((result, cancellation) =>
        {
            TextWriter output = result.InvocationConfiguration.Output;
            string? text = result.GetValue(prompt) is StandardInput.Argument ? StandardInput.ReadToEnd(cancellation) : result.GetValue(prompt);
            using LoadedModel loaded = compute.Load(result, ModelDirectory.Resolve(result.GetValue(model)), load => load with { ChatTemplate = result.GetValue(template) });
            IReadOnlyList<int> tokens = result.GetValue(ids) is { } list
                ? NumberOptions.List(ids.Name, list, least: 0)
                : Encode(loaded, text!, result.GetValue(chat));
            using InferenceEngine engine = new(loaded, new EngineOptions { MaxRunning = 1 });
            bool streaming = !result.GetValue(json);
            TimeSpan? first = null;
            GenerationRequest request = new() { Prompt = tokens, Sampling = sampling.Read(result, loaded.SuggestedSampling, DefaultMaxTokens) };
            GeneratedText answer = GeneratedText.Wait(
                engine,
                request,
                piece =>
                {
                    if (streaming)
                    {
                        output.Write(piece);
                        output.Flush();
                    }
                    else
                    {
                        first ??= SinceStart();
                    }
                },
                cancellation);
            if (streaming)
            {
                output.WriteLine();
            }
            else
            {
                JsonOutput.WriteLine(output, writer => Write(writer, tokens, answer, first));
            }

            cancellation.ThrowIfCancellationRequested();
            return Task.FromResult(0);
        });
        return command;
    }

    private static IReadOnlyList<int> Encode(LoadedModel loaded, string prompt, bool chat)
    {
        if (chat)
        {
            ChatPrompt template = loaded.Chat
                ?? throw new UserErrorException("this model has no chat template (tokenizer_config.json or chat_template.jinja); leave --chat out, or bring one with --chat-template");
            return new ChatRequest(template, [new JsonObject { ["role"] = "user", ["content"] = prompt }], new ChatTools([], null, ToolChoice.None)).Prompt;
        }

        List<int> ids = [];
        loaded.Tokenizer.Encode(prompt, ids, addSpecialTokens: true);
        return ids;
    }

    private static TimeSpan SinceStart()
    {
        using Process process = Process.GetCurrentProcess();
        return DateTime.Now - process.StartTime;
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<int> prompt, GeneratedText answer, TimeSpan? first)
    {
        using Process process = Process.GetCurrentProcess();
        json.WriteStartObject();
        json.WriteString("text", answer.Text);
        json.WriteArray("prompt_ids", prompt, json.WriteNumberValue);
        json.WriteArray("ids", answer.Tokens, json.WriteNumberValue);
        json.WriteString("finish_reason", FinishReasons.Word(answer.Finish));
        json.WriteNumber("seed", answer.Generation.Seeds[0]);
        json.WriteNumber("prefill_seconds", Math.Round(answer.Generation.Times.Prefill.TotalSeconds, 6));
        json.WriteNumber("decode_seconds", Math.Round(answer.Generation.Times.Decode.TotalSeconds, 6));
        json.WriteNumber("seconds_to_first_text", Math.Round(first?.TotalSeconds ?? 0, 3));
        json.WriteNumber("resident_bytes", process.WorkingSet64);
        json.WriteNumber("peak_resident_bytes", process.PeakWorkingSet64);
        json.WriteEndObject();
    }
}
