using System.Text;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Files of text.</summary>
internal static class TextFile
{
    /// <summary>All of a file's text.</summary>
    /// <exception cref="UserErrorException">The file cannot be read or is not UTF-8.</exception>
    public static string Read(string file)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file));
        }
        catch (DecoderFallbackException e)
        {
            throw new UserErrorException($"{file}: not valid UTF-8 at byte {e.Index}", e);
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
}
