using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using Conclave.Primitives;
using Conclave.Text.Patterns;
using Conclave.Text.Tokenization.PreTokenizers;

namespace Conclave.Text.Tokenization;

/// <summary>
/// Reads tiktoken.model (a line per token: its bytes in base64, its rank) and the names of special tokens from tokenizer_config.json. What
/// else such a tokenizer needs stands in Moonshot's Python file only, and is the same in all of them: tokenization_kimi.py,
/// tokenization_moonshot.py.
/// </summary>
internal static class TiktokenReader
{
    private const long MaxBytes = 256L << 20;
    private const int ReservedTokens = 256;

    private const string SplitPattern =
        @"[\p{Han}]+"
        + "|" + Prefix + Upper + "*" + Lower + "+" + Contraction
        + "|" + Prefix + Upper + "+" + Lower + "*" + Contraction
        + @"|\p{N}{1,3}"
        + @"| ?[^\s\p{L}\p{N}]+[\r\n]*"
        + @"|\s*[\r\n]+"
        + @"|\s+(?!\S)"
        + @"|\s+";

    private const string Prefix = @"[^\r\n\p{L}\p{N}]?";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]";
    private const string Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]";
    private const string Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

    /// <exception cref="UserErrorException">A file cannot be read, or is not what it should be; names the line or the JSON path.</exception>
    public static TokenizerParts Read(string file, string configuration)
    {
        Dictionary<string, int> ranks = ReadRanks(file);
        AddedToken[] added = ReadSpecialTokens(configuration, ranks.Count);
        return new TokenizerParts
        {
            Vocabulary = new Vocabulary(ranks, added, byteLevel: true),
            Model = new BytePairModel(ranks, new RankMergeTable(ranks), wholePieceFirst: true, unknown: -1, fuseUnknown: false),
            Added = added,
            PreTokenizers =
            [
                new PatternSplit(new Pattern(SplitPattern), SplitBehavior.Isolated, invert: false),
                new ByteLevel(addPrefixSpace: false, useRegex: false),
            ],
            Moonshot = true,
        };
    }

    private static Dictionary<string, int> ReadRanks(string file)
    {
        ReadOnlySpan<byte> rest = TextFile.ReadUtf8(file, MaxBytes).Span;
        Dictionary<string, int> ranks = new(StringComparer.Ordinal);
        HashSet<int> taken = [];
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> text = (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r');
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (text.IsEmpty)
            {
                continue;
            }

            (string token, int rank) = ParseLine(text) ?? throw Error(file, line, "a token in base64, a space, and its rank are expected");
            if (!taken.Add(rank))
            {
                throw Error(file, line, $"rank {rank} was given to another token before");
            }

            if (!ranks.TryAdd(token, rank))
            {
                throw Error(file, line, "this token has another rank already");
            }
        }

        Check(file, ranks);
        return ranks;
    }

    private static void Check(string file, Dictionary<string, int> ranks)
    {
        // Special tokens get the ids behind the number of ranks: with a gap, two tokens would share an id.
        foreach (int rank in ranks.Values)
        {
            if (rank >= ranks.Count)
            {
                throw new UserErrorException($"{file}: rank {rank} of {ranks.Count} tokens; the ranks 0 to {ranks.Count - 1} are expected, each once");
            }
        }

        for (int value = 0; value < 256; value++)
        {
            if (!ranks.ContainsKey(ByteAlphabet.Character((byte)value).ToString()))
            {
                throw new UserErrorException($"{file}: no token for the single byte 0x{value:X2}; without it not every text can be encoded");
            }
        }
    }

    private static (string Token, int Rank)? ParseLine(ReadOnlySpan<byte> line)
    {
        int space = line.IndexOf((byte)' ');
        if (space <= 0 || !Utf8Parser.TryParse(line[(space + 1)..], out int rank, out int used) || used != line.Length - space - 1 || rank < 0)
        {
            return null;
        }

        byte[] bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(space)];
        OperationStatus status = Base64.DecodeFromUtf8(line[..space], bytes, out int consumed, out int written);
        return status == OperationStatus.Done && consumed == space && written > 0 ? (ByteAlphabet.Text(bytes.AsSpan(0, written)), rank) : null;
    }

    private static AddedToken[] ReadSpecialTokens(string configuration, int count)
    {
        AddedToken[] added = new AddedToken[ReservedTokens];
        for (int i = 0; i < added.Length; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"<|reserved_token_{count + i}|>");
            added[i] = new AddedToken(count + i, name, false, false, false, Normalized: false, Special: true);
        }

        if (!File.Exists(configuration))
        {
            return added;
        }

        Dictionary<string, int> named = new(StringComparer.Ordinal);
        foreach ((string key, JsonCursor value) in JsonCursor.ReadFile(configuration).Optional("added_tokens_decoder")?.Members() ?? [])
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                throw value.Error("a token id is expected as the name of the member");
            }

            string content = value.Required("content").String();
            if (content.Length == 0 || !named.TryAdd(content, id))
            {
                throw value.Error($"the content \"{content}\" is empty or another token's too");
            }

            // Ids outside the reserved ones stay without effect, as in Moonshot's code.
            if (id >= count && id - count < added.Length)
            {
                added[id - count] = added[id - count] with { Content = content, Special = value.Optional("special")?.Boolean() ?? true };
            }
        }

        return added;
    }

    private static UserErrorException Error(string file, int line, string problem) => new($"{file}: line {line}: {problem}");
}
