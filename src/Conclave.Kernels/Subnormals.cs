using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>
/// Whether this machine multiplies subnormal numbers at full speed. AMD's Zen 5 does; Intel's cores take a microcode assist of more than a hundred cycles for each instruction that is given one. What the
/// answer changes is time, never a bit.
/// </summary>
internal static class Subnormals
{
    private const int Runs = 8;
    private const int MultiplyAdds = 1024;

    /// <summary>Measured once.</summary>
    public static bool AreFast { get; } = Fma.IsSupported && Measure();

    private static bool Measure()
    {
        long normal = long.MaxValue;
        long subnormal = long.MaxValue;
        for (int run = 0; run < Runs; run++)
        {
            normal = long.Min(normal, Ticks(1f));
            subnormal = long.Min(subnormal, Ticks(float.Epsilon));
        }

        return subnormal < 2 * normal;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Ticks(float value)
    {
        Vector128<float> factor = Vector128.Create(value);
        Vector128<float> sum = Vector128<float>.One;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < MultiplyAdds; i++)
        {
            sum = Fma.MultiplyAdd(factor, Vector128<float>.One, sum);
        }

        long ticks = Stopwatch.GetTimestamp() - start;

        // The sum is finite; asking for it keeps the loop.
        return Vector128.EqualsAny(sum, Vector128<float>.Zero) ? 0 : ticks;
    }
}
