using System.Text;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Text;
using Conclave.Text.Chat;

namespace Conclave.Server.Api;

/// <summary>The answers of /v1/chat/completions.</summary>
internal sealed class ChatFormat : AnswerFormat
{
    private readonly Choice[] _choices;
    private readonly Tokenizer _tokenizer;

    public ChatFormat(string requestId, string model, Tokenizer tokenizer, ChatRequest request, int choices)
        : base($"chatcmpl-{requestId}", "chat.completion", model)
    {
        _tokenizer = tokenizer;
        _choices = new Choice[choices];
        for (int i = 0; i < choices; i++)
        {
            _choices[i] = new Choice(request.CreateParser());
        }
    }

    public override int Choices => _choices.Length;

    /// <summary>Whether what the model thinks before it answers is written too.</summary>
    public bool IncludeReasoning { get; init; } = true;

    protected override string EventName => "chat.completion.chunk";

    public override int ReasoningTokens(int choice) => _choices[choice].ReasoningTokens;

    public override void Add(int choice, Generation generation, in GenerationUpdate update)
    {
        Choice one = _choices[choice];
        one.Last = update;
        one.Read(update.Text, update.Finish is not null);
        if (!IncludeReasoning)
        {
            one.Reasoning.Clear();
        }

        if (update.Logprobs is { } logprobs)
        {
            one.Logprobs.Add(logprobs);
        }
    }

    public override bool HasNews(int choice) =>
        _choices[choice] is var one && (!one.RoleWritten || one.HasText || one.Logprobs.Count > 0 || one.Last.Finish is not null);

    public override void WriteNews(Utf8JsonWriter json, int choice)
    {
        Choice one = _choices[choice];
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteStartObject("delta");
        if (!one.RoleWritten)
        {
            json.WriteString("role", "assistant");
            one.RoleWritten = true;
        }

        if (one.Reasoning.Length > 0)
        {
            json.WriteString("reasoning_content", one.Reasoning.ToString());
        }

        if (one.Content.Length > 0)
        {
            json.WriteString("content", one.Content.ToString());
        }

        WriteCalls(json, one, isEvent: true);
        json.WriteEndObject();
        WriteLogprobsAndEnd(json, one);
        one.Clear();
    }

    public override void WriteWhole(Utf8JsonWriter json, int choice)
    {
        Choice one = _choices[choice];
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        if (one.Reasoning.Length > 0)
        {
            json.WriteString("reasoning_content", one.Reasoning.ToString());
        }

        json.WriteString("content", one.Content.Length == 0 && one.Calls.Count > 0 ? null : one.Content.ToString());
        WriteCalls(json, one, isEvent: false);
        json.WriteNull("refusal");
        json.WriteEndObject();
        WriteLogprobsAndEnd(json, one);
    }

    private static void WriteCalls(Utf8JsonWriter json, Choice one, bool isEvent)
    {
        if (one.Calls.Count == 0)
        {
            return;
        }

        json.WriteStartArray("tool_calls");
        foreach (Call call in one.Calls)
        {
            json.WriteStartObject();
            if (isEvent)
            {
                json.WriteNumber("index", call.Index);
            }

            if (call.Id is { } id)
            {
                json.WriteString("id", id);
                json.WriteString("type", "function");
            }

            json.WriteStartObject("function");
            if (call.Name is { } name)
            {
                json.WriteString("name", name);
            }

            json.WriteString("arguments", call.Arguments.ToString());
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteLogprobsAndEnd(Utf8JsonWriter json, Choice one)
    {
        if (one.Logprobs.Count == 0)
        {
            json.WriteNull("logprobs");
        }
        else
        {
            json.WriteStartObject("logprobs");
            json.WriteStartArray("content");
            foreach (TokenLogprobs logprobs in one.Logprobs)
            {
                json.WriteStartObject();
                WriteToken(json, logprobs.Chosen);
                json.WriteStartArray("top_logprobs");
                foreach (TokenLogprob top in logprobs.Top)
                {
                    json.WriteStartObject();
                    WriteToken(json, top);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNull("refusal");
            json.WriteEndObject();
        }

        WriteEnd(json, one is { Last.Finish: FinishReason.Stop, EndsInCalls: true } ? "tool_calls" : Word(one.Last.Finish), one.Last);
        json.WriteEndObject();
    }

    private void WriteToken(Utf8JsonWriter json, in TokenLogprob entry)
    {
        json.WriteString("token", TokenText.Of(_tokenizer, entry.Token));
        json.WriteNumber("logprob", entry.Logprob);
        TokenText.WriteBytes(json, _tokenizer, entry.Token);
    }

    /// <summary>What was not written yet of an answer; everything where it is written as a whole.</summary>
    private sealed class Choice(ChatOutputParser parser)
    {
        private readonly List<ChatEvent> _events = [];

        public bool RoleWritten { get; set; }

        public StringBuilder Reasoning { get; } = new();

        public StringBuilder Content { get; } = new();

        public List<Call> Calls { get; } = [];

        public List<TokenLogprobs> Logprobs { get; } = [];

        public GenerationUpdate Last { get; set; }

        public bool EndsInCalls => parser.EndsInCalls(Last.StopString);

        public int ReasoningTokens => parser.ReasoningTexts;

        public bool HasText => Reasoning.Length > 0 || Content.Length > 0 || Calls.Count > 0;

        public void Read(string text, bool last)
        {
            parser.Append(text, _events);
            if (last)
            {
                parser.Finish(_events);
            }

            foreach (ChatEvent one in _events)
            {
                switch (one.Kind)
                {
                    case ChatEventKind.Reasoning:
                        Reasoning.Append(one.Text);
                        break;
                    case ChatEventKind.Content:
                        Content.Append(one.Text);
                        break;
                    case ChatEventKind.ToolCall:
                        Calls.Add(new Call(one.Index, one.Id, one.Text));
                        break;
                    default:
                        CallOf(one.Index).Arguments.Append(one.Text);
                        break;
                }
            }

            _events.Clear();
        }

        public void Clear()
        {
            Reasoning.Clear();
            Content.Clear();
            Calls.Clear();
            Logprobs.Clear();
        }

        private Call CallOf(int index)
        {
            if (Calls.Count == 0 || Calls[^1].Index != index)
            {
                Calls.Add(new Call(index, null, null));
            }

            return Calls[^1];
        }
    }

    /// <summary>A call, or the next piece of one whose id and name were written before.</summary>
    private sealed record Call(int Index, string? Id, string? Name)
    {
        public StringBuilder Arguments { get; } = new();
    }
}
