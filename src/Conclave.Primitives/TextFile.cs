using System.Text;

namespace Conclave.Primitives;

/// <summary>Files of UTF-8 text. The byte order mark that some editors write is not part of it.</summary>
public static class TextFile
{
    /// <summary>The text of a file.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="maxBytes">Larger files are refused.</param>
    /// <exception cref="UserErrorException">The file is missing, no regular file, too large or not UTF-8.</exception>
    public static string Read(string file, long maxBytes = long.MaxValue) => Encoding.UTF8.GetString(ReadUtf8(file, maxBytes).Span);

    /// <summary>The same as bytes.</summary>
    /// <inheritdoc cref="Read"/>
    public static ReadOnlyMemory<byte> ReadUtf8(string file, long maxBytes)
    {
        try
        {
            if (!File.Exists(file))
            {
                throw new UserErrorException(Directory.Exists(file) ? $"{file}: a folder; a file is expected here" : $"{file}: there is no such file");
            }

            // Pipes and devices tell no length, may have no end, and to open them may wait for ever.
            if (!RegularFile.Is(file))
            {
                throw new UserErrorException($"{file}: a pipe, a device or a socket; a regular file is expected here. Write its contents to one");
            }

            using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            long most = Math.Min(maxBytes, Array.MaxLength);
            if (stream.Length > most)
            {
                throw new UserErrorException($"{file}: {stream.Length} bytes; a file of at most {most} bytes is expected here");
            }

            byte[] bytes = new byte[stream.Length];
            return Check(file, bytes.AsMemory(0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Text that came from <paramref name="file"/>, without its byte order mark.</summary>
    /// <exception cref="UserErrorException">It is not UTF-8, or a pointer in the place of a file.</exception>
    internal static ReadOnlyMemory<byte> Check(string file, ReadOnlyMemory<byte> utf8)
    {
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        if (utf8.Span.StartsWith(mark))
        {
            utf8 = utf8[mark.Length..];
        }

        GitLfsPointer.Refuse(file, utf8.Span);
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount(utf8.Span);
            return utf8;
        }
        catch (DecoderFallbackException e)
        {
            throw new UserErrorException($"{file}: not valid UTF-8 at byte {e.Index}", e);
        }
    }
}
