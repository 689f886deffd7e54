using System.Globalization;
using Conclave.Primitives;

namespace Conclave.Measurement.Load;

/// <summary>
/// A trace as published with Mooncake (Qin et al. 2024): one JSON object in each line with timestamp (milliseconds), input_length, output_length and
/// hash_ids, one for each block of 512 prompt tokens, the last of which may be partly filled. Equal ids stand for equal blocks after equal prefixes. The
/// prompts themselves were not published; here, a block's tokens are drawn from its id.
/// </summary>
/// <remarks>
/// Lengths can be scaled down. Full blocks become blocks of 512 × scale tokens; the rest of a prompt is scaled and rounded down, as is the answer, so
/// that exactly the full blocks of the trace are full blocks of the scaled one. Neither prompt nor answer gets shorter than one token.
/// </remarks>
public sealed class MooncakeTrace : RequestSource
{
    /// <summary>Prompt tokens that one hash id stands for.</summary>
    public const int BlockTokens = 512;

    private const long MaxFileBytes = 1L << 30;
    private const int MaxTokens = 100_000_000;
    private const byte NewLine = (byte)'\n';

    private readonly List<Line> _lines;
    private readonly double _scale;
    private readonly int _blockTokens;

    private MooncakeTrace(List<Line> lines, double scale, int blockTokens)
    {
        _lines = lines;
        _scale = scale;
        _blockTokens = blockTokens;
    }

    /// <inheritdoc/>
    public override int? Count => _lines.Count;

    /// <summary>Reads a trace.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="scale">What lengths are multiplied with, above 0 and at most 1; 512 × scale must be whole.</param>
    /// <exception cref="UserErrorException">It is no such trace, or the scale is no such number.</exception>
    public static MooncakeTrace Read(string file, double scale = 1)
    {
        double blockTokens = BlockTokens * scale;
        if (!(scale is > 0 and <= 1) || blockTokens != Math.Truncate(blockTokens))
        {
            throw new UserErrorException(
                $"a trace cannot be scaled by {scale.ToString(CultureInfo.InvariantCulture)}: a block of {BlockTokens} tokens must become a whole number of 1 to {BlockTokens} tokens, as with 0.125");
        }

        ReadOnlyMemory<byte> rest = TextFile.ReadUtf8(file, MaxFileBytes);
        List<Line> lines = [];
        for (int number = 1; !rest.IsEmpty; number++)
        {
            int end = rest.Span.IndexOf(NewLine);
            ReadOnlyMemory<byte> text = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.IndexOfAnyExcept(" \t\r"u8) < 0)
            {
                continue;
            }

            JsonCursor json = JsonCursor.Parse($"{file}, line {number}", text);
            Line line = Parse(json);
            if (lines.Count > 0 && line.Milliseconds < lines[^1].Milliseconds)
            {
                throw json.Required("timestamp").Error($"{line.Milliseconds} after {lines[^1].Milliseconds}; rising times are expected");
            }

            lines.Add(line);
        }

        return lines.Count > 0 ? new MooncakeTrace(lines, scale, (int)blockTokens) : throw new UserErrorException($"{file}: no requests; one in each line is expected");
    }

    /// <inheritdoc/>
    public override LoadRequest Request(int index)
    {
        Line line = _lines[index];
        int full = line.InputTokens / BlockTokens;
        int rest = (int)(line.InputTokens % BlockTokens * _scale);
        List<PromptSegment> prompt = [];
        for (int block = 0; block < full; block++)
        {
            prompt.Add(new PromptSegment((ulong)line.HashIds[block], _blockTokens));
        }

        if (rest > 0 || full == 0)
        {
            prompt.Add(new PromptSegment((ulong)line.HashIds[full], Math.Max(rest, 1)));
        }

        return new LoadRequest(prompt, Math.Max((int)(line.OutputTokens * _scale), 1));
    }

    /// <summary>When the requests arrive, counted from the first one.</summary>
    /// <param name="speed">How many times as fast as in the trace, above 0.</param>
    public IEnumerable<TimeSpan> Arrivals(double speed) =>
        _lines.Select(line => TimeSpan.FromMilliseconds((line.Milliseconds - _lines[0].Milliseconds) / speed));

    private static Line Parse(JsonCursor json)
    {
        long milliseconds = json.Required("timestamp").Int64(0, int.MaxValue);
        int input = json.Required("input_length").Int32(1, MaxTokens);
        int output = json.Required("output_length").Int32(0, MaxTokens);
        JsonCursor ids = json.Required("hash_ids");
        long[] hashes = [.. ids.Items().Select(id => id.Int64(0, long.MaxValue))];
        int blocks = (input + BlockTokens - 1) / BlockTokens;
        return hashes.Length == blocks
            ? new Line(milliseconds, input, output, hashes)
            : throw ids.Error($"{hashes.Length} ids; {blocks} are expected for {input} tokens, one for each {BlockTokens}");
    }

    private sealed record Line(long Milliseconds, int InputTokens, int OutputTokens, long[] HashIds);
}
