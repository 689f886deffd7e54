using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Files with one JSON value in each line.</summary>
internal static class JsonLines
{
    private const byte NewLine = (byte)'\n';

    /// <summary>
    /// The values in the order of the file; empty lines have none. Errors name file and line. From standard input, each is given when its line has
    /// arrived.
    /// </summary>
    /// <exception cref="UserErrorException">The file cannot be read, or a line is not UTF-8 or not JSON.</exception>
    public static IEnumerable<JsonCursor> Read(string file, CancellationToken cancellation)
    {
        string name = file == StandardInput.Argument ? StandardInput.Name : file;
        using Stream stream = Open(file);
        long number = 0;
        foreach (byte[] line in Lines(stream, name, cancellation))
        {
            number++;
            if (line.AsSpan().IndexOfAnyExcept(" \t\r"u8) >= 0)
            {
                yield return JsonCursor.Parse($"{name}, line {number}", line);
            }
        }
    }

    /// <summary>Sends the answer to a line on its way where the lines come from a program, which may wait for it.</summary>
    public static void FlushAnswer(TextWriter output, string file)
    {
        if (file == StandardInput.Argument)
        {
            output.Flush();
        }
    }

    private static Stream Open(string file)
    {
        try
        {
            return file == StandardInput.Argument ? Console.OpenStandardInput() : File.OpenRead(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException($"{file}: there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file}: cannot be read: {e.Message}", e);
        }
    }

    private static IEnumerable<byte[]> Lines(Stream stream, string name, CancellationToken cancellation)
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

            int read = ReadSome(stream, buffer.AsMemory(end), name, cancellation);
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

    private static int ReadSome(Stream stream, Memory<byte> buffer, string name, CancellationToken cancellation)
    {
        try
        {
            cancellation.ThrowIfCancellationRequested();
            return stream is FileStream ? stream.Read(buffer.Span) : Interruptible.Wait(() => stream.Read(buffer.Span), cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{name}: cannot be read: {e.Message}", e);
        }
    }
}
