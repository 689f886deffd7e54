using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>All classes of short rows: four decoded weight rows times one input after the other.</summary>
internal static unsafe class Avx512ShortTile
{
    private const int Group = 4 * 16;

    /// <summary>See <see cref="IProjectionLoops.ShortTile"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(int count, int rows, float* weights, float* inputs, nint groups, float factor, float* output, nint outputStride)
    {
        nint length = groups * Group;
        for (int i = 0; i < count; i++)
        {
            float* w = weights;
            for (int row = 0; row < rows; row += 4)
            {
                Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
                Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default;
                Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
                Vector512<float> d0 = default, d1 = default, d2 = default, d3 = default;
                float* x = inputs;
                for (float* end = x + length; x < end; x += Group)
                {
                    Add(w, length, Vector512.Load(x), ref a0, ref b0, ref c0, ref d0);
                    Add(w + 16, length, Vector512.Load(x + 16), ref a1, ref b1, ref c1, ref d1);
                    Add(w + 32, length, Vector512.Load(x + 32), ref a2, ref b2, ref c2, ref d2);
                    Add(w + 48, length, Vector512.Load(x + 48), ref a3, ref b3, ref c3, ref d3);
                    w += Group;
                }

                w += 3 * length;
                (Avx512Lanes.Sum(AddClasses(a0, a1, a2, a3), AddClasses(b0, b1, b2, b3), AddClasses(c0, c1, c2, c3), AddClasses(d0, d1, d2, d3)) * factor).Store(output + row);
            }

            inputs += length;
            output += outputStride;
        }
    }

    /// <summary>A class of a group: the rows of the group lie one behind the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* w, nint length, Vector512<float> x, ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c, ref Vector512<float> d)
    {
        a = Avx512F.FusedMultiplyAdd(Vector512.Load(w), x, a);
        b = Avx512F.FusedMultiplyAdd(Vector512.Load(w + length), x, b);
        c = Avx512F.FusedMultiplyAdd(Vector512.Load(w + (2 * length)), x, c);
        d = Avx512F.FusedMultiplyAdd(Vector512.Load(w + (3 * length)), x, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddClasses(Vector512<float> c0, Vector512<float> c1, Vector512<float> c2, Vector512<float> c3) => Vector512<float>.Zero + c0 + c1 + c2 + c3;
}
