using System.ComponentModel;
using System.Net.Sockets;

namespace Conclave.Primitives.Tests;

/// <summary>How it is told that a process may not have more files open.</summary>
public sealed class OpenFileLimitTests
{
    public static TheoryData<Exception> TooMany =>
    [
        new Win32Exception(24), new IOException("no more", 24), new SocketException((int)SocketError.TooManyOpenSockets), new InvalidOperationException("because of", new IOException("no more", 24)),
    ];

    [Theory]
    [MemberData(nameof(TooMany))]
    public void That_there_are_too_many_files_is_told_with_their_limit(Exception error)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "ulimit");
        Assert.Matches("^too many open files: this process may have [1-9][0-9]* at a time; raise the limit, such as by 'ulimit -n [1-9][0-9]*', and start again$", OpenFileLimit.Explain(error));
    }

    [Fact]
    public void Other_errors_have_other_words() => Assert.Null(OpenFileLimit.Explain(new IOException("no such file", new Win32Exception(2))));

    [Fact]
    public void Who_may_have_as_many_as_are_needed_is_not_refused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "ulimit");
        OpenFileLimit.Require(3);
        Assert.NotNull(OpenFileLimit.Explain(Assert.Throws<IOException>(() => OpenFileLimit.Require(long.MaxValue))));
    }
}
