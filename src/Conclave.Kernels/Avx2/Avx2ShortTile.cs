using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>All classes of short rows: four decoded weight rows, two at a time, times one input after the other.</summary>
internal static unsafe class Avx2ShortTile
{
    private const int Group = 4 * 8;

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
                TwoRows(w, inputs, length, out Vector256<float> a, out Vector256<float> b);
                TwoRows(w + (2 * length), inputs, length, out Vector256<float> c, out Vector256<float> d);
                w += 4 * length;
                (Avx2Lanes.Sum(a, b, c, d) * factor).Store(output + row);
            }

            inputs += length;
            output += outputStride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TwoRows(float* w, float* x, nint length, out Vector256<float> a, out Vector256<float> b)
    {
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
        for (float* end = x + length; x < end; x += Group)
        {
            Add(w, length, Vector256.Load(x), ref a0, ref b0);
            Add(w + 8, length, Vector256.Load(x + 8), ref a1, ref b1);
            Add(w + 16, length, Vector256.Load(x + 16), ref a2, ref b2);
            Add(w + 24, length, Vector256.Load(x + 24), ref a3, ref b3);
            w += Group;
        }

        a = Vector256<float>.Zero + a0 + a1 + a2 + a3;
        b = Vector256<float>.Zero + b0 + b1 + b2 + b3;
    }

    /// <summary>A class of a group: the rows of the group lie one behind the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* w, nint length, Vector256<float> x, ref Vector256<float> a, ref Vector256<float> b)
    {
        a = Fma.MultiplyAdd(Vector256.Load(w), x, a);
        b = Fma.MultiplyAdd(Vector256.Load(w + length), x, b);
    }
}
