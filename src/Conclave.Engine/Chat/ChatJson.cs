using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Conclave.Engine;

[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ChatJson : JsonSerializerContext;
