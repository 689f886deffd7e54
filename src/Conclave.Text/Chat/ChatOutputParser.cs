using System.Text;

namespace Conclave.Text.Chat;

/// <summary>
/// Splits what a chat model writes into reasoning, content and tool calls, as it arrives. It expects the text with its special tokens (a
/// <see cref="StreamingDetokenizer"/> that does not skip them: markers of tool calls may be special) but without the end token. How the text
/// is cut makes no difference to what the pieces of each kind are together. Nothing that the model writes is an error: what is no call is
/// content. For one text and one thread; time is linear in the text, and little of it is held back.
/// <list type="bullet">
/// <item>Reasoning ends with its tag, such as <c>&lt;/think&gt;</c>; without that tag all text is reasoning. White space directly around the tags is dropped. All these models at times call
/// a tool without it: a call of one of the request's tools ends their reasoning too.</item>
/// <item>Tool calls are recognized outside of reasoning, where there are tools. White space before a call and between calls is dropped. Any
/// name is passed on; that there is such a tool, and that the arguments are JSON, is not checked.</item>
/// <item>An end marker inside a string of JSON arguments is part of the string, unless what follows it shows that the string was not closed.</item>
/// </list>
/// </summary>
public sealed class ChatOutputParser
{
    private readonly ToolCallFormat? _format;
    private readonly IReadOnlyList<ChatTool> _tools;
    private readonly Reasoning _reasoning;
    private readonly string[] _reasoningEnds;
    private readonly int _earlierToolCalls;
    private readonly HashSet<string> _ids = new(StringComparer.Ordinal);
    private readonly StringBuilder _json = new();
    private readonly bool _startsInside;
    private char[] _text = new char[256];
    private int _start;
    private int _end;
    private Place _place;
    private bool _dropsSpace;
    private bool _inSection;
    private ArgumentsReader? _arguments;
    private int _index = -1;

    /// <summary>Begins an output.</summary>
    /// <param name="format">How the model writes tool calls; null: it does not.</param>
    /// <param name="startsInsideReasoning">The prompt ends inside of reasoning; see <see cref="Reasoning.PositionAt"/>.</param>
    /// <param name="tools">The tools of the request; null or empty: no tool calls are recognized (for <c>tool_choice: none</c> as well).</param>
    /// <param name="earlierToolCalls">The tool calls in the conversation so far, which Kimi K2's ids count.</param>
    /// <param name="reasoning">The tags between which the model thinks; null: <see cref="Reasoning.Think"/>.</param>
    public ChatOutputParser(
        ToolCallFormat? format, bool startsInsideReasoning, IReadOnlyList<ChatTool>? tools = null, int earlierToolCalls = 0, Reasoning? reasoning = null)
    {
        _tools = tools ?? [];
        _format = _tools.Count > 0 ? format : null;
        _reasoning = reasoning ?? Reasoning.Think;
        _reasoningEnds = _reasoning.Ends(_format);
        _startsInside = startsInsideReasoning;
        _earlierToolCalls = earlierToolCalls;
    }

    private enum Place
    {
        Start,
        Reasoning,
        Content,
        Arguments,
    }

    /// <summary>The number of tool calls that have begun.</summary>
    public int ToolCalls => _index + 1;

    /// <summary>How many of the texts that were appended stand in reasoning: tokens, where each is appended by itself.</summary>
    public int ReasoningTexts { get; private set; }

    /// <summary>The characters that are looked at again when more arrive.</summary>
    internal int HeldBack => _end - _start;

    private bool IsReasoning => _place == Place.Reasoning || (_place == Place.Start && _startsInside);

    /// <summary>Takes more text.</summary>
    /// <param name="text">What the model has written.</param>
    /// <param name="events">What has become known is appended.</param>
    public void Append(ReadOnlySpan<char> text, ICollection<ChatEvent> events)
    {
        if (_end + text.Length > _text.Length)
        {
            char[] target = _end - _start + text.Length > _text.Length / 2 ? new char[2 * (_end - _start + text.Length)] : _text;
            _text.AsSpan(_start.._end).CopyTo(target);
            (_text, _start, _end) = (target, 0, _end - _start);
        }

        text.CopyTo(_text.AsSpan(_end));
        _end += text.Length;
        bool wasReasoning = IsReasoning;
        Run(final: false, events);
        if (wasReasoning && IsReasoning)
        {
            ReasoningTexts++;
        }
    }

    /// <summary>The end of the text: what was held back is passed on.</summary>
    /// <param name="events">What has become known is appended.</param>
    public void Finish(ICollection<ChatEvent> events) => Run(final: true, events);

    /// <summary>Whether an answer that has ended, not for its length, ends in calls that are to be made: a call that a stop string has cut is not.</summary>
    /// <param name="stopString">The stop string that ended it; null: none did.</param>
    public bool EndsInCalls(string? stopString) => ToolCalls > 0 && (stopString is null || _place != Place.Arguments);

    private void Run(bool final, ICollection<ChatEvent> events)
    {
        // Half a character is not looked at before the other half is there.
        int end = !final && _end > _start && char.IsHighSurrogate(_text[_end - 1]) ? _end - 1 : _end;
        while (true)
        {
            ReadOnlySpan<char> text = _text.AsSpan(_start..end);
            Place place = _place;
            int consumed = place switch
            {
                Place.Start => ReadStart(text, final),
                Place.Reasoning => ReadReasoning(text, final, events),
                Place.Content => ReadContent(text, final, events),
                _ => ReadArguments(text, final, events),
            };
            _start += consumed;
            if (consumed == 0 && place == _place)
            {
                break;
            }
        }
    }

    // A tag at the very beginning, white space aside, opens reasoning; if the prompt has opened it, it may be there again.
    private int ReadStart(ReadOnlySpan<char> text, bool final)
    {
        int at = 0;
        Match match = TextScan.Skip(text, ref at, _reasoning.Open, final);
        if (match != Match.Undecided)
        {
            _place = match == Match.Yes || _startsInside ? Place.Reasoning : Place.Content;
            _dropsSpace = _place == Place.Reasoning;
        }

        return match == Match.Yes ? at : 0;
    }

    private int ReadReasoning(ReadOnlySpan<char> text, bool final, ICollection<ChatEvent> events)
    {
        int from = DropSpace(text);
        (int end, int which) = TextScan.Find(text[from..], _reasoningEnds, final);
        end += from;
        Match match = which > 0 ? BeginsCall(text[end..], final) : which == 0 ? Match.Yes : Match.Undecided;
        if (match == Match.No)
        {
            Add(ChatEventKind.Reasoning, text[from..(end + 1)], events);
            return end + 1;
        }

        int kept = which < 0 && final ? end : from + TextScan.BeforeSpace(text[from..end]);
        Add(ChatEventKind.Reasoning, text[from..kept], events);
        if (match == Match.Undecided)
        {
            return kept;
        }

        _place = Place.Content;
        _dropsSpace = true;
        return which == 0 ? end + _reasoning.Close.Length : end;
    }

    // Where a model thinks about calls, only that of a tool that there is can be meant as one.
    private Match BeginsCall(ReadOnlySpan<char> text, bool final)
    {
        Match match = _format!.ReadHeader(text, final, _tools, out CallHeader header);
        return match == Match.Yes && !_tools.Any(tool => tool.Name == header.Name) ? Match.No : match;
    }

    private int ReadContent(ReadOnlySpan<char> text, bool final, ICollection<ChatEvent> events)
    {
        int from = DropSpace(text);
        if (_format is null)
        {
            Add(ChatEventKind.Content, text[from..], events);
            return text.Length;
        }

        (int end, int which) = TextScan.Find(text[from..], _format.Markers, final);
        end += from;
        CallHeader header = default;
        bool closes = which >= 0 && _inSection && _format.SectionEnds.Contains(_format.Markers[which]);
        Match match = which < 0 || closes ? Match.Undecided : _format.ReadHeader(text[end..], final, _tools, out header);
        if (match == Match.No)
        {
            Add(ChatEventKind.Content, text[from..(end + 1)], events);
            return end + 1;
        }

        bool rest = final && match == Match.Undecided && !closes;
        int kept = rest ? end : from + TextScan.BeforeSpace(text[from..end]);
        Add(ChatEventKind.Content, text[from..kept], events);
        if (closes)
        {
            _inSection = false;
            _dropsSpace = true;
            return end + _format.Markers[which].Length;
        }

        if (match == Match.Undecided)
        {
            return kept;
        }

        _inSection = _format.SectionEnds.Length > 0;
        string id = _format.IdOf(header, _earlierToolCalls + ++_index, _ids);
        _ids.Add(id);
        events.Add(new ChatEvent(ChatEventKind.ToolCall, header.Name, _index, id));
        _arguments = _format.Arguments(header.Name, _tools);
        _place = Place.Arguments;
        return end + header.Length;
    }

    private int ReadArguments(ReadOnlySpan<char> text, bool final, ICollection<ChatEvent> events)
    {
        int consumed = _arguments!.Read(text, final, _json);
        if (_json.Length > 0)
        {
            events.Add(new ChatEvent(ChatEventKind.Arguments, _json.ToString(), _index));
            _json.Clear();
        }

        if (_arguments.IsEnded)
        {
            _place = Place.Content;
            _dropsSpace = true;
        }

        return consumed;
    }

    private int DropSpace(ReadOnlySpan<char> text)
    {
        int from = _dropsSpace ? text.Length - text.TrimStart().Length : 0;
        _dropsSpace &= from == text.Length;
        return from;
    }

    private static void Add(ChatEventKind kind, ReadOnlySpan<char> text, ICollection<ChatEvent> events)
    {
        if (!text.IsEmpty)
        {
            events.Add(new ChatEvent(kind, text.ToString()));
        }
    }
}
