using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// The header of a safetensors file, checked against the size of the file: every byte of the data belongs to exactly one tensor and every
/// tensor has the bytes that its shape and type ask for (the rules of the format's own reader).
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit for the JSON text.</summary>
    public const long MaxBytes = 100_000_000;

    /// <summary>Bytes of the little-endian length in front of the JSON text.</summary>
    public const int PrefixBytes = 8;

    private const int MaxRank = 8;

    private SafetensorsHeader(List<Entry> tensors) => Tensors = tensors;

    /// <summary>Tensors by offset.</summary>
    public IReadOnlyList<Entry> Tensors { get; }

    /// <summary>Checks the length that a file begins with.</summary>
    public static int Length(string file, ulong length, long fileBytes)
    {
        if (length > (ulong)(fileBytes - PrefixBytes))
        {
            throw new UserErrorException(
                $"{file}: its first 8 bytes announce a header of {length} bytes, but only {fileBytes - PrefixBytes} follow; " +
                "the file is truncated or is not safetensors");
        }

        if (length is 0 or > MaxBytes)
        {
            throw new UserErrorException($"{file}: its first 8 bytes announce a header of {length} bytes; 1 to {MaxBytes} are expected");
        }

        return (int)length;
    }

    /// <summary>Parses and checks the JSON text of a file whose tensors share <paramref name="dataBytes"/> bytes.</summary>
    public static SafetensorsHeader Parse(string file, ReadOnlyMemory<byte> json, long dataBytes)
    {
        JsonCursor root = JsonCursor.Parse(file, json);
        List<Entry> tensors = [];
        foreach ((string name, JsonCursor value) in root.Members())
        {
            if (name == "__metadata__")
            {
                // Nothing here needs them; the format wants texts.
                foreach ((_, JsonCursor text) in value.Members())
                {
                    text.String();
                }
            }
            else
            {
                tensors.Add(ReadEntry(name, value, dataBytes));
            }
        }

        CheckCover(file, tensors, dataBytes);
        return new SafetensorsHeader(tensors);
    }

    private static Entry ReadEntry(string name, JsonCursor value, long dataBytes)
    {
        JsonCursor type = value.Required("dtype");
        ElementFormat format = SafetensorsFormat.Find(type.String()) ?? throw type.Error(
            $"{type.Describe()} is not a known type of elements; one of {SafetensorsFormat.Names} is expected");

        JsonCursor sides = value.Required("shape");
        nint[] shape = [.. sides.Items().Take(MaxRank + 1).Select(side => (nint)side.Int64(0, nint.MaxValue))];
        if (shape.Length > MaxRank)
        {
            throw sides.Error($"{sides.Element.GetArrayLength()} dimensions; at most {MaxRank} are expected");
        }

        JsonCursor offsets = value.Required("data_offsets");
        long[] bounds = [.. offsets.Items().Take(3).Select(bound => bound.Int64(0, long.MaxValue))];
        if (bounds.Length != 2 || bounds[0] > bounds[1])
        {
            throw offsets.Error($"{offsets.Describe()}; [begin, end] with begin ≤ end is expected");
        }

        if (bounds[1] > dataBytes)
        {
            throw offsets.Error($"{offsets.Describe()} leaves the file, which has {dataBytes} bytes of data; the file is truncated or corrupt");
        }

        if (Bytes(shape, format) != bounds[1] - bounds[0])
        {
            throw offsets.Error(
                $"{offsets.Describe()} are {bounds[1] - bounds[0]} bytes; shape {sides.Describe()} of {format} takes {BytesText(shape, format)}");
        }

        return new Entry(name, format, shape, bounds[0], bounds[1]);
    }

    // Null where the product leaves 64 bits; a zero anywhere makes it zero, whatever the other sides say.
    private static long? Bytes(nint[] shape, ElementFormat format)
    {
        if (shape.Contains(0))
        {
            return 0;
        }

        UInt128 bytes = (UInt128)format.Size();
        foreach (nint side in shape)
        {
            bytes *= (UInt128)side;
            if (bytes > (UInt128)long.MaxValue)
            {
                return null;
            }
        }

        return (long)bytes;
    }

    private static string BytesText(nint[] shape, ElementFormat format) =>
        Bytes(shape, format) is { } bytes ? bytes.ToString() : $"more than {long.MaxValue}";

    private static void CheckCover(string file, List<Entry> tensors, long dataBytes)
    {
        tensors.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        Entry? previous = null;
        foreach (Entry tensor in tensors)
        {
            long expected = previous?.End ?? 0;
            if (tensor.Begin != expected)
            {
                string before = previous is null ? "the data begin" : $"tensor \"{previous.Name}\" ends";
                string problem = tensor.Begin < expected ? "they overlap" : "bytes in between belong to no tensor";
                throw new UserErrorException(
                    $"{file}: tensor \"{tensor.Name}\" begins at offset {tensor.Begin}, but {before} at {expected}: {problem}");
            }

            previous = tensor;
        }

        long end = previous?.End ?? 0;
        if (end != dataBytes)
        {
            throw new UserErrorException(
                $"{file}: the last tensor ends at offset {end} of the data, but {dataBytes} bytes are there; the rest belongs to no tensor");
        }
    }

    /// <summary>One tensor of the header; offsets count from the first byte of the data.</summary>
    public sealed record Entry(string Name, ElementFormat Format, nint[] Shape, long Begin, long End);
}
