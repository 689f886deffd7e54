using System.Text.Json;

namespace Conclave.Text.Grammars;

/// <summary>What drafts before 2020-12 said in other words (draft 4: bounds that are excluded; to 2019-09: tuples).</summary>
internal static class OlderDrafts
{
    /// <summary>Says it in the words of now.</summary>
    public static void Translate(Dictionary<string, JsonElement> keywords)
    {
        Exclude(keywords, "minimum", "exclusiveMinimum");
        Exclude(keywords, "maximum", "exclusiveMaximum");

        // Behind items that are all alike it said nothing.
        bool limited = keywords.Remove("additionalItems", out JsonElement additional);
        if (keywords.TryGetValue("items", out JsonElement items) && items.ValueKind == JsonValueKind.Array && !keywords.ContainsKey("prefixItems"))
        {
            keywords.Remove("items");
            if (items.GetArrayLength() > 0)
            {
                keywords["prefixItems"] = items;
            }

            if (limited)
            {
                keywords["items"] = additional;
            }
        }
    }

    private static void Exclude(Dictionary<string, JsonElement> keywords, string bound, string excluded)
    {
        bool said = keywords.TryGetValue(excluded, out JsonElement flag);
        if (said && flag.ValueKind == JsonValueKind.False)
        {
            keywords.Remove(excluded);
        }
        else if (said && flag.ValueKind == JsonValueKind.True && keywords.Remove(bound, out JsonElement number))
        {
            keywords[excluded] = number;
        }
    }
}
