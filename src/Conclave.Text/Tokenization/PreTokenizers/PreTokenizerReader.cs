using Conclave.Primitives;
using Conclave.Text.Patterns;

namespace Conclave.Text.Tokenization.PreTokenizers;

/// <summary>Reads one step of "pre_tokenizer".</summary>
internal static class PreTokenizerReader
{
    public static PreTokenizer Read(JsonCursor step) => step.Required("type").String() switch
    {
        "Split" => new PatternSplit(
            ReadPattern(step.Required("pattern")), ReadBehavior(step.Required("behavior")), step.Optional("invert")?.Boolean() ?? false),
        "Digits" => new DigitSplit(step.Optional("individual_digits")?.Boolean() ?? false),
        "ByteLevel" => new ByteLevel(
            step.Optional("add_prefix_space")?.Boolean() ?? true, step.Optional("use_regex")?.Boolean() ?? true),
        _ => throw TokenizerJsonReader.Unsupported(step, "Split, Digits, ByteLevel, Sequence"),
    };

    /// <summary>{"Regex": …} or {"String": …}.</summary>
    public static Pattern ReadPattern(JsonCursor pattern)
    {
        bool isRegex = pattern.Optional("Regex") is not null;
        JsonCursor cursor = isRegex ? pattern.Required("Regex") : pattern.Required("String");
        string text = cursor.String();
        if (!isRegex)
        {
            return Pattern.Literal(text);
        }

        try
        {
            return new Pattern(text);
        }
        catch (UserErrorException e)
        {
            throw cursor.Error(e.Message);
        }
    }

    private static SplitBehavior ReadBehavior(JsonCursor cursor) => cursor.String() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        string other => throw cursor.Error(
            $"\"{other}\"; Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous is expected"),
    };
}
