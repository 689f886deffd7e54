using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Chat;

/// <summary>A function that the model may call.</summary>
/// <param name="Name">Its name, of letters, digits and the signs _ - . : / $ @, at most 256: what the parsers of all formats read.</param>
/// <param name="Parameters">
/// The JSON schema of its arguments, an object's; null for a function without arguments. The document that it is part of must live as long
/// as the tool is used.
/// </param>
/// <param name="Strict">Its arguments follow the schema also where the model decides whether to call it (OpenAI's strict).</param>
/// <exception cref="UserErrorException">The name is another: what the model writes to call it would be taken for text.</exception>
public sealed record ChatTool(string Name, JsonElement? Parameters = null, bool Strict = false)
{
    /// <summary>Its name.</summary>
    public string Name { get; } = TextScan.IsName(Name)
        ? Name
        : throw new UserErrorException($"tools: '{Name}' cannot be called; a name of 1 to {TextScan.MaxName} letters, digits and signs among _ - . : / $ @ is expected");
}
