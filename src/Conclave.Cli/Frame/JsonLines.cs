using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Files with one JSON value in each line.</summary>
internal static class JsonLines
{
    /// <summary>The name that means standard input.</summary>
    public const string StandardInput = "-";

    private const byte NewLine = (byte)'\n';

    /// <summary>
    /// The values in the order of the file; empty lines have none. Errors name file and line. From standard input, each is given when its line has
    /// arrived.
    /// </summary>
    /// <exception cref="UserErrorException">The file cannot be read, or a line is not UTF-8 or not JSON.</exception>
    public static IEnumerable<JsonCursor> Read(string file)
    {
        string name = file == StandardInput ? "standard input" : file;
        using Stream stream = Open(file);
        long number = 0;
        foreach (byte[] line in Lines(stream, name))
        {
            number++;
            if (line.AsSpan().IndexOfAnyExcept(" \t\r"u8) >= 0)
            {
                yield return JsonCursor.Parse($"{name}, line {number}", line);
            }
        }
    }

    private static Stream Open(string file)
    {
        try
        {
            return file == StandardInput ? Console.OpenStandardInput() : File.OpenRead(file);
        }
        catch (FileNotFoundException e)
        {
            throw new UserErrorException($"{file}: there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file}: cannot be read: {e.Message}", e);
        }
    }

    private static IEnumerable<byte[]> Lines(Stream stream, string name)
    {
        byte[] buffer = new byte[64 << 10];
        int begin = 0;
        int end = 0;
        int searched = 0;
        while (true)
        {
            int at = Array.IndexOf(buffer, NewLine, searched, end - searched);
            if (at >= 0)
            {
                yield return buffer[begin..at];
                begin = searched = at + 1;
                continue;
            }

            // What is left moves to the front; a line that fills the buffer makes it grow.
            buffer.AsSpan(begin, end - begin).CopyTo(buffer);
            searched = end -= begin;
            begin = 0;
            if (end == buffer.Length)
            {
                if (end > Array.MaxLength / 2)
                {
                    throw new UserErrorException($"{name}: a line has more than {end} bytes");
                }

                Array.Resize(ref buffer, 2 * end);
            }

            int read = ReadSome(stream, buffer.AsSpan(end), name);
            if (read == 0)
            {
                if (end > 0)
                {
                    yield return buffer[..end];
                }

                yield break;
            }

            end += read;
        }
    }

    private static int ReadSome(Stream stream, Span<byte> buffer, string name)
    {
        try
        {
            return stream.Read(buffer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{name}: cannot be read: {e.Message}", e);
        }
    }
}
