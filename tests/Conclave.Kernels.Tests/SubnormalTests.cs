using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Kernels.Tests;

/// <summary>What a machine does fast decides how it reads E4M3, and never a bit; operators use one of the ways here, so the other is held against it.</summary>
public sealed unsafe class SubnormalTests
{
    [Fact]
    public void WithAvx512() => Check<Avx512Loops<Avx512E4M3>, Avx512Loops<Avx512E4M3Subnormal>>(Avx512F.IsSupported && Avx512BW.IsSupported);

    [Fact]
    public void WithAvx2() => Check<Avx2Loops<Avx2E4M3>, Avx2Loops<Avx2E4M3Subnormal>>(Avx2.IsSupported && Fma.IsSupported);

    private static void Check<TSlow, TFast>(bool isSupported)
        where TSlow : struct, IProjectionLoops
        where TFast : struct, IProjectionLoops
    {
        Assert.SkipUnless(isSupported, "this machine cannot run them");
        Gen.Int.Sample(
            seed =>
            {
                Random random = new(seed);
                (int n, int k, int m) = (random.Next(1, 150), random.Next(1, 2400), random.Next(1, 100));
                bool scaled = random.Next(4) > 0;
                using MatMulCase weights = new(random, ElementFormat.F8_E4M3, n, k, scaled ? 128 : 0, scaled ? 128 : 0, scaled ? random.Next(128) : 0);
                using NativeBuffer xs = NativeBuffer.ForF32(m, k, out TensorView x);
                for (int i = 0; i < m; i++)
                {
                    foreach (ref float value in x.RowF32(i))
                    {
                        value = (random.NextSingle() * 2) - 1;
                    }
                }

                Assert.Equal(Bits<TSlow>(weights.View, x, n), Bits<TFast>(weights.View, x, n));
            },
            iter: 60,
            threads: 1);
    }

    private static uint[] Bits<TLoops>(TensorView weights, TensorView x, int n)
        where TLoops : struct, IProjectionLoops
    {
        int m = (int)x.Rows;
        float[] y = new float[m * n];
        using NativeBuffer scratch = new(BlockedProjection<TLoops>.ScratchBytes(x.Columns, m));
        fixed (float* output = y)
        {
            BlockedProjection<TLoops>.Run(weights, 0, n, new InputRows((nint)x.PointerF32(0), x.RowStride), m, output, n, scratch.Data);
        }

        return MemoryMarshal.Cast<float, uint>(y).ToArray();
    }
}
