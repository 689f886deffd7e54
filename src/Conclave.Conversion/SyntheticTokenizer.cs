using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>
/// A byte-level tokenizer for models that have none of their own: one token for each byte, no merges, and a made-up word for every other
/// id, since random weights generate any id and all of them must decode.
/// </summary>
internal static class SyntheticTokenizer
{
    private const string Bos = "<|begin|>";
    private const string Eos = "<|end|>";
    private const int Bytes = 256;

    public static void Write(string directory, ModelConfig config)
    {
        int bos = config.BosToken ?? -1;
        int eos = config.EosTokens.Count > 0 ? config.EosTokens[0] : -1;
        if (config.VocabularySize < Bytes + 2)
        {
            throw new UserErrorException($"{directory}: a vocabulary of {config.VocabularySize}; at least {Bytes + 2} is expected, one for each byte");
        }

        JsonFile.Write(directory, "tokenizer.json", json => WriteTokenizer(json, config.VocabularySize, bos, eos));
        JsonFile.Write(directory, "tokenizer_config.json", json =>
        {
            json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
            json.WriteNumber("model_max_length", config.MaxPositions);
            if (bos >= 0)
            {
                json.WriteString("bos_token", Bos);
            }

            if (eos >= 0)
            {
                json.WriteString("eos_token", Eos);
            }

            json.WriteBoolean("add_bos_token", false);
            json.WriteString("chat_template", "{% for message in messages %}{{ message.content }}\n{% endfor %}");
        });
        JsonFile.Write(directory, "generation_config.json", json =>
        {
            if (bos >= 0)
            {
                json.WriteNumber("bos_token_id", bos);
            }

            json.WriteStartArray("eos_token_id");
            foreach (int token in config.EosTokens)
            {
                json.WriteNumberValue(token);
            }

            json.WriteEndArray();
            json.WriteBoolean("do_sample", true);
            json.WriteNumber("temperature", 1);
            json.WriteNumber("top_p", 0.95);
        });
    }

    private static void WriteTokenizer(Utf8JsonWriter json, int vocabulary, int bos, int eos)
    {
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        foreach ((int id, string text) in ((int Id, string Text)[])[(bos, Bos), (eos, Eos)])
        {
            if (id >= 0 && id < vocabulary)
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("content", text);
                json.WriteBoolean("single_word", false);
                json.WriteBoolean("lstrip", false);
                json.WriteBoolean("rstrip", false);
                json.WriteBoolean("normalized", false);
                json.WriteBoolean("special", true);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        json.WriteNull("normalizer");
        WriteByteLevel(json, "pre_tokenizer");
        json.WriteNull("post_processor");
        WriteByteLevel(json, "decoder");
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteStartObject("vocab");
        int word = 0;
        for (int id = 0; id < vocabulary; id++)
        {
            if (id == bos || id == eos)
            {
                continue;
            }

            json.WriteNumber(word < Bytes ? ByteText((byte)word) : Word(word - Bytes), id);
            word++;
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string property)
    {
        json.WriteStartObject(property);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", false);
        json.WriteEndObject();
    }

    // The byte-level alphabet: printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on, in order.
    private static string ByteText(byte value)
    {
        static bool IsPrintable(int b) => b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
        return IsPrintable(value)
            ? ((char)value).ToString()
            : ((char)(0x100 + Enumerable.Range(0, value).Count(b => !IsPrintable(b)))).ToString();
    }

    // A space (Ġ in the byte-level alphabet) and letters that count in base 26.
    private static string Word(int number)
    {
        string letters = "";
        do
        {
            letters = (char)('a' + (number % 26)) + letters;
            number /= 26;
        }
        while (number > 0);
        return "Ġ" + letters;
    }
}
