using Conclave.Primitives;

namespace Conclave.Models.Tests;

public sealed class LatentCacheTests
{
    [Fact]
    public void ACacheThatTheSystemHasNoMemoryForIsRefusedWithItsBytes()
    {
        // More than a process can address, however generous the system is with memory that nobody has written.
        UserErrorException refused = Assert.Throws<UserErrorException>(() => new LatentCache(2, 576, ElementFormat.F32, int.MaxValue));
        Assert.StartsWith("a latent cache of 137438953408 tokens takes 633318697304064 bytes, which the system does not have; ", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--cache-memory", refused.Message, StringComparison.Ordinal);
    }
}
