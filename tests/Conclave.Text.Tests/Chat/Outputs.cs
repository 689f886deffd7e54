using System.Text;
using Conclave.Text.Chat;

namespace Conclave.Text.Tests.Chat;

/// <summary>What a parser makes of a text, pieces of one kind joined: a line per piece.</summary>
internal static class Outputs
{
    public static readonly IReadOnlyList<ChatTool> Weather = [new ChatTool("get_weather"), new ChatTool("get_time")];

    public static string Parse(
        string text, ToolCallFormat? format = null, bool inside = false, IReadOnlyList<ChatTool>? tools = null, Random? cuts = null, int earlier = 0, Reasoning? reasoning = null)
    {
        ChatOutputParser parser = new(format, inside, tools, earlier, reasoning);
        List<ChatEvent> events = [];
        for (int at = 0; at < text.Length;)
        {
            int length = cuts is null ? text.Length : Math.Min(text.Length - at, cuts.Next(10) == 0 ? cuts.Next(60) : cuts.Next(1, 4));
            parser.Append(text.AsSpan(at, length), events);
            at += length;
        }

        parser.Finish(events);
        return Join(events);
    }

    public static string Join(List<ChatEvent> events)
    {
        StringBuilder joined = new();
        ChatEvent last = default;
        foreach (ChatEvent e in events)
        {
            Assert.NotEmpty(e.Text);
            Assert.False(char.IsHighSurrogate(e.Text[^1]) && e != events[^1]);
            if (joined.Length > 0 && (e.Kind, e.Index) == (last.Kind, last.Index))
            {
                joined.Append(e.Text);
            }
            else
            {
                char kind = "RCTA"[(int)e.Kind];
                joined.Append(joined.Length > 0 ? "|" : "").Append(kind).Append(e.Index >= 0 ? $"{e.Index}" : "").Append(':').Append(e.Text);
            }

            Assert.Equal(e.Kind is ChatEventKind.ToolCall, e.Id is not null);
            joined.Append(e.Id is { } id && id.StartsWith("functions.", StringComparison.Ordinal) ? "#" + id : "");
            last = e;
        }

        return joined.ToString();
    }
}
