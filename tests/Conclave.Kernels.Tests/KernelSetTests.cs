using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

public sealed class KernelSetTests
{
    [Fact]
    public void Sets_are_those_of_the_machine_the_reference_first()
    {
        List<string> expected = ["reference"];
        if (Avx2.IsSupported && Fma.IsSupported)
        {
            expected.Add("avx2");
        }

        if (Avx512F.IsSupported && Avx512BW.IsSupported)
        {
            expected.Add("avx512");
        }

        Assert.Equal(expected, KernelSet.Supported.ToArray().Select(set => set.Name));
        Assert.Equal(expected[^1], KernelSet.Best.Name);
    }

    [Fact]
    public void Find_returns_each_set_and_names_all_of_them_otherwise()
    {
        foreach (KernelSet set in KernelSet.Supported)
        {
            Assert.Same(set, KernelSet.Find(set.Name));
            Assert.Same(set, KernelSet.Find(set.Name.ToUpperInvariant()));
        }

        UserErrorException e = Assert.Throws<UserErrorException>(() => KernelSet.Find("sse9"));
        Assert.Contains("'sse9'", e.Message);
        Assert.All(KernelSet.Supported.ToArray(), set => Assert.Contains(set.Name, e.Message));
    }
}
