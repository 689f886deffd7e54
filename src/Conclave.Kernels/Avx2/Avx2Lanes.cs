using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>Sums over the eight lanes that an output is summed in.</summary>
internal static unsafe class Avx2Lanes
{
    /// <summary>What an output's lanes were before: nothing in its first segment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Start(bool first, float* lanes) => first ? Vector256<float>.Zero : Vector256.Load(lanes);

    /// <summary>The sums over the lanes of four rows for each input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(int count, float* lanes, float* sums)
    {
        for (int i = 0; i < count; i++)
        {
            float* four = lanes + (4 * i * Vector256<float>.Count);
            Sum(Vector256.Load(four), Vector256.Load(four + Vector256<float>.Count), Vector256.Load(four + (2 * Vector256<float>.Count)), Vector256.Load(four + (3 * Vector256<float>.Count))).Store(sums + (4 * i));
        }
    }

    /// <summary>The sums over the lanes of four vectors: lanes four apart are added, then those two and one apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sum(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.Add(Avx.Permute2x128(a, b, 0x20), Avx.Permute2x128(a, b, 0x31));
        Vector256<float> cd = Avx.Add(Avx.Permute2x128(c, d, 0x20), Avx.Permute2x128(c, d, 0x31));
        Vector256<float> two = Avx.Add(Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE));
        Vector256<float> one = Avx.Add(Avx.Shuffle(two, two, 0x88), Avx.Shuffle(two, two, 0xDD));
        return Sse.UnpackLow(one.GetLower(), one.GetUpper());
    }
}
