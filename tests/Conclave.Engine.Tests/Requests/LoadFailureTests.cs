using System.Runtime.CompilerServices;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Engine.Tests.Requests;

/// <summary>Where checkpoint and tokenizer are both wrong, whoever loads is told of one, and the runtime does not tell the application of the other.</summary>
public sealed class LoadFailureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task NoFailureIsLeftUnobserved()
    {
        List<string> unobserved = [];
        void Hear(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            lock (unobserved)
            {
                unobserved.AddRange(e.Exception.InnerExceptions.Select(inner => inner.Message));
            }
        }

        TaskScheduler.UnobservedTaskException += Hear;
        try
        {
            for (int attempt = 0; attempt < 5; attempt++)
            {
                Load();
                await Task.Delay(100, TestContext.Current.CancellationToken);
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Hear;
        }

        Assert.DoesNotContain(unobserved, message => message.Contains(_folder.Path, StringComparison.Ordinal));
    }

    // Nothing of it may be left on the stack of who collects.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Load() => Assert.Throws<UserErrorException>(() => LoadedModel.Open(_folder.Path, new LoadOptions()));
}
