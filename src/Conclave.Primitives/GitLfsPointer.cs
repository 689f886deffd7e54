namespace Conclave.Primitives;

/// <summary>The small text that Git leaves in place of a large file where Git LFS is not installed or has not fetched it.</summary>
public static class GitLfsPointer
{
    /// <summary>Bytes of a file's beginning that <see cref="Refuse"/> needs.</summary>
    public const int PrefixBytes = 24;

    /// <exception cref="UserErrorException">The file is such a pointer.</exception>
    public static void Refuse(string file, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("version https://git-lfs."u8))
        {
            throw new UserErrorException($"{file}: a Git LFS pointer, not the file itself; run 'git lfs pull' in its folder");
        }
    }
}
