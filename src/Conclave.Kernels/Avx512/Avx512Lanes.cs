using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>Sums over the sixteen lanes that an output is summed in.</summary>
internal static unsafe class Avx512Lanes
{
    /// <summary>What an output's lanes were before: nothing in its first segment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Start(bool first, float* lanes) => first ? Vector512<float>.Zero : Vector512.Load(lanes);

    /// <summary>The sums over the lanes of four rows for each input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sum(int count, float* lanes, float* sums)
    {
        for (int i = 0; i < count; i++)
        {
            float* four = lanes + (4 * i * Vector512<float>.Count);
            Sum(
                Vector512.Load(four), Vector512.Load(four + Vector512<float>.Count), Vector512.Load(four + (2 * Vector512<float>.Count)), Vector512.Load(four + (3 * Vector512<float>.Count)))
                .Store(sums + (4 * i));
        }
    }

    /// <summary>The sums over the lanes of four vectors: lanes eight apart are added, then those four, two and one apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sum(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        Vector512<float> ab = Avx512F.Add(Avx512F.Shuffle4x128(a, b, 0x44), Avx512F.Shuffle4x128(a, b, 0xEE));
        Vector512<float> cd = Avx512F.Add(Avx512F.Shuffle4x128(c, d, 0x44), Avx512F.Shuffle4x128(c, d, 0xEE));
        Vector512<float> four = Avx512F.Add(Avx512F.Shuffle4x128(ab, cd, 0x88), Avx512F.Shuffle4x128(ab, cd, 0xDD));
        Vector512<float> two = Avx512F.Add(four, Avx512F.Shuffle(four, four, 0x4E));
        Vector512<float> one = Avx512F.Add(two, Avx512F.Shuffle(two, two, 0xB1));
        return Avx512F.PermuteVar16x32(one, Vector512.Create(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)).GetLower().GetLower();
    }
}
