using System.Text;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Standard input as text, UTF-8 whatever the locale says.</summary>
internal static class StandardInput
{
    /// <summary>The argument that means it.</summary>
    public const string Argument = "-";

    /// <summary>Its name in messages.</summary>
    public const string Name = "standard input";

    // As much as a request's body may hold.
    private const int MaxBytes = 16 << 20;

    /// <summary>All of it, without the byte order mark that some editors write.</summary>
    /// <exception cref="UserErrorException">It is empty, too large, not UTF-8, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before the end had come.</exception>
    public static string ReadToEnd(CancellationToken cancellation)
    {
        using Stream stream = Console.OpenStandardInput();
        byte[] bytes = new byte[MaxBytes + 1];
        int length = Read(() => stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false), cancellation);
        ReadOnlySpan<byte> text = bytes.AsSpan(0, length);
        return length switch
        {
            0 => throw new UserErrorException($"{Name}: it is empty; a text is expected"),
            > MaxBytes => throw new UserErrorException($"{Name}: more than {MaxBytes} bytes; a text of at most as many is expected"),
            _ => Decode(text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text),
        };
    }

    /// <summary>Waits for a call that reads from it.</summary>
    /// <exception cref="UserErrorException">It cannot be read: it is a folder, for example.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled first.</exception>
    public static T Read<T>(Func<T> read, CancellationToken cancellation)
    {
        try
        {
            return Interruptible.Wait(read, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{Name}: cannot be read: {e.Message}", e);
        }
    }

    private static string Decode(ReadOnlySpan<byte> text)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(text);
        }
        catch (DecoderFallbackException e)
        {
            throw new UserErrorException($"{Name}: not valid UTF-8 at byte {e.Index}", e);
        }
    }
}
