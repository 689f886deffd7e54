using Conclave.Server.Http;

namespace Conclave.Server.Api;

/// <summary>Whether an answer is streamed, and with which counts of tokens.</summary>
/// <param name="Stream">As events, not as a whole.</param>
/// <param name="IncludeUsage">A last event has the counts.</param>
/// <param name="ContinuousUsage">Every event has those of its choice.</param>
internal readonly record struct StreamOptions(bool Stream, bool IncludeUsage, bool ContinuousUsage)
{
    public static StreamOptions Read(JsonBody body)
    {
        bool stream = body.Flag("stream") ?? false;
        JsonBody? options = body.Object("stream_options");
        if (body.AsksFor("stream_options") && !stream)
        {
            throw ApiException.Invalid("stream_options: only allowed where stream is true", "stream_options");
        }

        bool include = options?.Flag("include_usage") ?? false;
        return new StreamOptions(stream, include, include && (options?.Flag("continuous_usage_stats") ?? false));
    }
}
