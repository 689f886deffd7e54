using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;

namespace Conclave.Extensions.AI;

/// <summary>Values of calls and their results as JSON, for models: without the line breaks that <see cref="AIJsonUtilities.DefaultOptions"/> write.</summary>
internal static class CompactJson
{
    private static readonly JsonSerializerOptions Options = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    /// <summary>The arguments of a call.</summary>
    public static JsonTypeInfo<IDictionary<string, object?>> Arguments { get; } = (JsonTypeInfo<IDictionary<string, object?>>)Options.GetTypeInfo(typeof(IDictionary<string, object?>));

    /// <summary>Anything else.</summary>
    public static JsonTypeInfo Value { get; } = Options.GetTypeInfo(typeof(object));
}
