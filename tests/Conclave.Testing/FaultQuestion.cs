using System.Text.Json.Nodes;

namespace Conclave.Testing;

/// <summary>A request that a server must answer.</summary>
/// <param name="kind">What it is, in words.</param>
/// <param name="path">Where it is sent.</param>
/// <param name="body">What is sent, but for "stream".</param>
/// <param name="isRight">Whether answers are of the kind that is asked for.</param>
internal sealed class FaultQuestion(string kind, string path, JsonObject body, Func<FaultAnswers, bool> isRight)
{
    private readonly string _whole = With(body, stream: false);
    private readonly string _streamed = With(body, stream: true);

    /// <summary>What it is, in words.</summary>
    public string Kind => kind;

    /// <summary>Where it is sent.</summary>
    public string Path => path;

    /// <summary>Whether answers are of the kind that is asked for.</summary>
    public Func<FaultAnswers, bool> IsRight => isRight;

    /// <summary>The body, for an answer as a whole or in events.</summary>
    public string Text(bool stream) => stream ? _streamed : _whole;

    private static string With(JsonObject body, bool stream)
    {
        body["stream"] = stream;
        return body.ToJsonString();
    }
}
