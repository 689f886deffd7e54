using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Token ids in configuration files: absent, null, one, or a list.</summary>
internal static class TokenIds
{
    private const int Max = 1 << 24;
    private const int MaxCount = 1024;

    // What some writers put for "none".
    private const int None = -1;

    public static int? One(JsonCursor root, string name) => Several(root, name) switch
    {
        [] => null,
        [int id] => id,
        int[] ids => throw root.Required(name).Error($"{ids.Length} token ids; one is expected"),
    };

    public static int[] Several(JsonCursor root, string name)
    {
        if (root.Optional(name) is not { } value)
        {
            return [];
        }

        IEnumerable<JsonCursor> given = value.Kind == JsonValueKind.Array ? value.Items().Take(MaxCount + 1) : [value];
        int[] ids = [.. given.Select(item => item.Int32(None, Max))];
        return ids.Length <= MaxCount
            ? Array.FindAll(ids, id => id != None)
            : throw value.Error($"{value.Element.GetArrayLength()} token ids; at most {MaxCount} are expected");
    }
}
