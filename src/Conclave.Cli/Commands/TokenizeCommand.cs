using System.CommandLine;
using System.Runtime.InteropServices;
using Conclave.Cli.Frame;
using Conclave.Primitives;
using Conclave.Text;

namespace Conclave.Cli.Commands;

/// <summary>conclave tokenize: text to ids and back, as the model's files define it.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Argument<string> directory = ModelDirectory.Argument();
        Argument<string?> text = new("TEXT") { Description = "What to encode", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> lines = new("--json-lines")
        {
            Description = "Encode the JSON string in each line of FILE instead; \"-\" is standard input", HelpName = "FILE",
        };
        Option<bool> special = new("--special") { Description = "Add the special tokens that the tokenizer's template puts around a text" };
        Option<bool> json = new("--json") { Description = "Write {\"ids\":[…],\"tokens\":[…],\"decoded\":\"…\"}, as --json-lines does" };
        CliCommand command = new(
            "tokenize", "Shows the token ids of a text.",
            ("conclave tokenize models/fable \"Once upon a time\"", "each token with its id and its text"),
            ("conclave tokenize models/fable \"春眠不觉晓\" --special --json", "with the beginning-of-text token, for a program"),
            ("conclave tokenize models/fable --json-lines texts.jsonl", "a JSON string in each line in, a JSON object in each line out"))
        {
            directory, text, lines, special, json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(text) is null == result.GetValue(lines) is null)
            {
                result.AddError("Either TEXT or --json-lines FILE is expected.");
            }
        });
        command.SetAction((result, cancellation) =>
        {
            Tokenizer tokenizer = Tokenizer.Load(ModelDirectory.Resolve(result.GetRequiredValue(directory)));
            bool addSpecial = result.GetValue(special);
            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(lines) is { } file)
            {
                foreach (JsonCursor line in JsonLines.Read(file, cancellation))
                {
                    WriteJson(output, tokenizer, Encode(tokenizer, line.String(), addSpecial));
                    JsonLines.FlushAnswer(output, file);
                }
            }
            else if (result.GetValue(json))
            {
                WriteJson(output, tokenizer, Encode(tokenizer, result.GetValue(text)!, addSpecial));
            }
            else
            {
                WriteText(output, tokenizer, Encode(tokenizer, result.GetValue(text)!, addSpecial));
            }

            return Task.CompletedTask;
        });
        return command;
    }

    private static List<int> Encode(Tokenizer tokenizer, string text, bool addSpecial)
    {
        List<int> ids = [];
        tokenizer.Encode(text, ids, addSpecial);
        return ids;
    }

    private static void WriteJson(TextWriter output, Tokenizer tokenizer, List<int> ids) => JsonOutput.WriteLine(output, json =>
    {
        json.WriteStartObject();
        json.WriteArray("ids", ids, json.WriteNumberValue);
        json.WriteArray("tokens", ids.Select(tokenizer.TokenText), json.WriteStringValue);
        json.WriteString("decoded", tokenizer.Decode(CollectionsMarshal.AsSpan(ids), skipSpecialTokens: false));
        json.WriteEndObject();
    });

    private static void WriteText(TextWriter output, Tokenizer tokenizer, List<int> ids)
    {
        foreach (int id in ids)
        {
            // As a JSON string: spaces and line ends are to be seen, and control characters must not reach the terminal.
            output.Write($"{id,8}  ");
            JsonOutput.WriteLine(output, json => json.WriteStringValue(tokenizer.Decode([id], skipSpecialTokens: false)));
        }
    }
}
