using Conclave.Primitives;

namespace Conclave.Text.Tokenization;

/// <summary>Reads "post_processor": which ids stand around a text.</summary>
internal sealed class PostProcessorReader(int vocabularySize)
{
    private readonly List<int> _before = [];
    private readonly List<int> _after = [];

    public (int[] Before, int[] After) Read(JsonCursor? cursor)
    {
        foreach (JsonCursor step in cursor is { } found ? TokenizerJsonReader.Flatten(found, "processors") : [])
        {
            switch (step.Required("type").String())
            {
                case "TemplateProcessing":
                    ReadTemplate(step);
                    break;
                case "ByteLevel":
                    // Trims offsets; ids stay as they are.
                    break;
                default:
                    throw TokenizerJsonReader.Unsupported(step, "TemplateProcessing, ByteLevel, Sequence");
            }
        }

        return ([.. _before], [.. _after]);
    }

    private void ReadTemplate(JsonCursor step)
    {
        JsonCursor template = step.Required("single");
        List<int> front = [];
        List<int>? back = null;
        foreach (JsonCursor item in template.Items())
        {
            if (item.Optional("Sequence") is { } sequence)
            {
                if (back is not null || sequence.Required("id").String() != "A")
                {
                    throw item.Error("the text (sequence A) is expected once in \"single\", and no other");
                }

                back = [];
            }
            else
            {
                (back ?? front).AddRange(ReadIds(step, item.Required("SpecialToken").Required("id")));
            }
        }

        // A second template wraps what the first one made.
        _before.InsertRange(0, front);
        _after.AddRange(back ?? throw template.Error("the text (sequence A) is missing"));
    }

    private IEnumerable<int> ReadIds(JsonCursor step, JsonCursor name)
    {
        foreach ((string key, JsonCursor token) in step.Required("special_tokens").Members())
        {
            if (key == name.String())
            {
                return [.. token.Required("ids").Items().Select(id => id.Int32(0, vocabularySize - 1))];
            }
        }

        throw name.Error($"\"{name.String()}\" is not among \"special_tokens\"");
    }
}
