using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Token ids in configuration files: absent, null, one, or a list.</summary>
internal static class TokenIds
{
    private const int Max = 1 << 24;
    private const int MaxCount = 1024;

    // -1 is what some writers put for "none".
    public static int? One(JsonCursor root, string name) =>
        root.Optional(name)?.Int32(-1, Max) is { } id and not -1 ? id : null;

    public static int[] Several(JsonCursor root, string name)
    {
        if (root.Optional(name) is not { } value)
        {
            return [];
        }

        if (value.Kind != JsonValueKind.Array)
        {
            return [value.Int32(0, Max)];
        }

        int[] ids = [.. value.Items().Take(MaxCount + 1).Select(item => item.Int32(0, Max))];
        return ids.Length <= MaxCount ? ids : throw value.Error($"{value.Element.GetArrayLength()} token ids; at most {MaxCount} are expected");
    }
}
