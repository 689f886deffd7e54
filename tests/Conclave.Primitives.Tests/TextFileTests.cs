using System.Runtime.InteropServices;
using Conclave.Testing;

namespace Conclave.Primitives.Tests;

/// <summary>What lies where a text is expected: of a model's folder nobody knows who filled it.</summary>
public sealed partial class TextFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileIsReadUpToItsLimitThroughLinksToo()
    {
        string file = _folder.Write("file", [0xEF, 0xBB, 0xBF, .. "text"u8]);
        string link = File.CreateSymbolicLink(_folder.File("link"), file).FullName;
        Assert.Equal("text", TextFile.Read(file));
        Assert.Equal("text", TextFile.Read(link, 7));
        Assert.Contains("7 bytes; a file of at most 6 bytes is expected here", Error(link, 6), StringComparison.Ordinal);
        Assert.Equal("", TextFile.Read(_folder.Write("empty", "")));
        Assert.Contains("there is no such file", Error(_folder.File("nothing"), 1), StringComparison.Ordinal);
        Assert.Contains("a folder; a file is expected here", Error(_folder.Path, 1), StringComparison.Ordinal);
    }

    [Fact]
    public void ADeviceWithoutEndIsNotRead()
    {
        string link = File.CreateSymbolicLink(_folder.File("zero"), "/dev/zero").FullName;
        Assert.Equal($"{link}: a pipe, a device or a socket; a regular file is expected here. Write its contents to one", Error(link, 1 << 20));
    }

    [Fact]
    public async Task NobodyWaitsForThePipeThatNobodyWrites()
    {
        string pipe = _folder.File("pipe");
        Assert.Equal(0, MakePipe(pipe, 0x1B6));
        string error = await Task.Run(() => Error(pipe, 1 << 20)).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.Contains("a regular file is expected here", error, StringComparison.Ordinal);
    }

    private static string Error(string file, long most) => Assert.Throws<UserErrorException>(() => TextFile.ReadUtf8(file, most)).Message;

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);
}
