using System.Text.Json;
using Conclave.Engine;

namespace Conclave.Server.Api;

/// <summary>How the answers of a request are written: as one response, or as events. Choices are counted over the prompts and their answers.</summary>
/// <param name="id">The response's id.</param>
/// <param name="objectName">What OpenAI calls the whole response.</param>
/// <param name="model">The model's name.</param>
internal abstract class AnswerFormat(string id, string objectName, string model)
{
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The response's id.</summary>
    public string Id { get; } = id;

    /// <summary>Number of choices.</summary>
    public abstract int Choices { get; }

    /// <summary>How many tokens of a choice were reasoning.</summary>
    public virtual int ReasoningTokens(int choice) => 0;

    /// <summary>Takes the next piece of a choice.</summary>
    public abstract void Add(int choice, Generation generation, in GenerationUpdate update);

    /// <summary>Whether the choice has something that was not written yet.</summary>
    public abstract bool HasNews(int choice);

    /// <summary>Writes what was added to a choice since the last time, as one entry of choices.</summary>
    public abstract void WriteNews(Utf8JsonWriter json, int choice);

    /// <summary>Writes a complete choice.</summary>
    public abstract void WriteWhole(Utf8JsonWriter json, int choice);

    /// <summary>Writes what all events and the whole response begin with.</summary>
    public void WriteHead(Utf8JsonWriter json, bool isEvent)
    {
        json.WriteString("id", Id);
        json.WriteString("object", isEvent ? EventName : objectName);
        json.WriteNumber("created", _created);
        json.WriteString("model", model);
    }

    /// <summary>The object name of events.</summary>
    protected abstract string EventName { get; }

    /// <summary>The word for why an answer ended; null: it has not.</summary>
    protected static string? Word(FinishReason? reason) => reason is { } ended ? FinishReasons.Word(ended) : null;

    /// <summary>Writes why an answer ended, in a word, and which stop string or token of the request did it, as vLLM says.</summary>
    protected static void WriteEnd(Utf8JsonWriter json, string? word, in GenerationUpdate last)
    {
        json.WriteString("finish_reason", word);
        if (last.StopToken is { } token)
        {
            json.WriteNumber("stop_reason", token);
        }
        else
        {
            json.WriteString("stop_reason", last.StopString);
        }
    }
}
