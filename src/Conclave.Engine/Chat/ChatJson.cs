using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Conclave.Engine;

// Arguments of calls may be as deep as a template can read.
[JsonSourceGenerationOptions(MaxDepth = 512)]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ChatJson : JsonSerializerContext;
