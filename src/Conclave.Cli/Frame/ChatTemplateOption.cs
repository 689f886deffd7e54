using System.CommandLine;

namespace Conclave.Cli.Frame;

/// <summary>--chat-template FILE, for commands that write conversations as a model expects them.</summary>
internal static class ChatTemplateOption
{
    public static Option<string?> Create() => new("--chat-template")
    {
        Description = "A file with the chat template (Jinja) to use in place of the model's own",
        HelpName = "FILE",
    };
}
