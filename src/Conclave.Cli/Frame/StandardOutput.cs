using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Conclave.Cli.Frame;

/// <summary>Standard output: UTF-8 whatever the locale says, buffered, and with an exception when its reader has gone.</summary>
internal static class StandardOutput
{
    private const int BrokenPipe = 32;
    private const int BadDescriptor = 9;
    private const int Descriptor = 1;

    /// <summary>Opens it. Streaming commands flush when there is something to see.</summary>
    public static TextWriter Open()
    {
        UTF8Encoding encoding = new(encoderShouldEmitUTF8Identifier: false);
        if (OperatingSystem.IsWindows() && !Console.IsOutputRedirected)
        {
            Console.OutputEncoding = encoding;
        }

        return new StreamWriter(OpenStream(), encoding, bufferSize: 16 << 10) { NewLine = "\n" };
    }

    /// <summary>True where a write failed because nobody reads any more.</summary>
    public static bool IsClosedPipe(IOException error) => !OperatingSystem.IsWindows() && error.HResult == BrokenPipe;

    /// <summary>True where a write failed because whoever started the command gave it no standard output.</summary>
    public static bool IsMissing(UnauthorizedAccessException error) => !OperatingSystem.IsWindows() && error.InnerException is IOException { HResult: BadDescriptor };

    /// <summary>True where a write failed in one of these ways, which are nobody's failure but that of whoever started the command.</summary>
    public static bool HasNoReader(Exception error) => (error is IOException pipe && IsClosedPipe(pipe)) || (error is UnauthorizedAccessException none && IsMissing(none));

    private static Stream OpenStream()
    {
        // The console's stream says nothing when the pipe is closed, so that a command would compute to its end for nobody. Files
        // stay with the console's stream: FileStream writes at an offset of its own and would overwrite what others append.
        if (!OperatingSystem.IsWindows() && Console.IsOutputRedirected)
        {
            FileStream stream = new(new SafeFileHandle(Descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            if (!stream.CanSeek)
            {
                return stream;
            }

            stream.Dispose();
        }

        return Console.OpenStandardOutput();
    }
}
