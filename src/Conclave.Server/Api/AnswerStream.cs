using System.Diagnostics;
using System.Text.Json;
using Conclave.Engine;
using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>The events of one response, with the counts of tokens that its client asked for.</summary>
internal sealed class AnswerStream
{
    private readonly EventStream _events;
    private readonly AnswerFormat _format;
    private readonly StreamOptions _options;
    private readonly IReadOnlyList<Generation> _generations;
    private readonly int[] _completion;
    private long _writtenAt = Stopwatch.GetTimestamp();

    public AnswerStream(EventStream events, AnswerFormat format, StreamOptions options, IReadOnlyList<Generation> generations)
    {
        _events = events;
        _format = format;
        _options = options;
        _generations = generations;
        _completion = new int[format.Choices];
    }

    /// <summary>How long nothing was written.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(_writtenAt);

    /// <summary>Writes an update, if it has something to say.</summary>
    public void Write(int choice, Generation generation, in GenerationUpdate update)
    {
        _completion[choice] += update.Generated;
        _format.Add(choice, generation, update);
        if (!_format.HasNews(choice))
        {
            return;
        }

        Utf8JsonWriter json = _events.Begin();
        json.WriteStartObject();
        _format.WriteHead(json, isEvent: true);
        json.WriteStartArray("choices");
        _format.WriteNews(json, choice);
        json.WriteEndArray();
        if (_options.ContinuousUsage)
        {
            // As in vLLM, of this choice alone.
            new Usage
            {
                Prompt = generation.Request.Prompt.Count,
                Cached = generation.ReusedTokens,
                Completion = _completion[choice],
                Reasoning = _format.ReasoningTokens(choice),
            }.Write(json);
        }
        else if (_options.IncludeUsage)
        {
            json.WriteNull("usage");
        }

        json.WriteEndObject();
        _events.End();
        _writtenAt = Stopwatch.GetTimestamp();
    }

    public void KeepAlive()
    {
        _events.KeepAlive();
        _writtenAt = Stopwatch.GetTimestamp();
    }

    public ValueTask FlushAsync(CancellationToken cancellation) => _events.FlushAsync(cancellation);

    public void WriteEnd()
    {
        if (_options.IncludeUsage)
        {
            Utf8JsonWriter json = _events.Begin();
            json.WriteStartObject();
            _format.WriteHead(json, isEvent: true);
            json.WriteStartArray("choices");
            json.WriteEndArray();
            new Usage
            {
                Prompt = _generations.Sum(generation => generation.Request.Prompt.Count),
                Cached = _generations.Sum(generation => generation.ReusedTokens),
                Completion = _completion.Sum(),
                Reasoning = Enumerable.Range(0, _format.Choices).Sum(_format.ReasoningTokens),
            }.Write(json);
            json.WriteEndObject();
            _events.End();
        }

        _events.Done();
    }

    public void WriteError(ApiException error)
    {
        ApiErrors.Write(_events.Begin(), error);
        _events.End();
        _events.Done();
    }
}
