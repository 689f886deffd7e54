using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels;

/// <summary>How a class of weights lies in the stream of a decoded panel; see <see cref="IProjectionLoops.Streams"/>.</summary>
internal unsafe interface IPanelPart
{
    /// <summary>The next sixteen weights of a row.</summary>
    static abstract Vector512<float> Load(float* p);
}

/// <summary>Alone, as binary32.</summary>
internal readonly unsafe struct Whole : IPanelPart
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* p) => Vector512.Load(p);
}

/// <summary>In the lower halves of its elements.</summary>
internal readonly unsafe struct LowerHalf : IPanelPart
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* p) => Avx512F.ShiftLeftLogical(Vector512.Load((uint*)p), 16).AsSingle();
}

/// <summary>In the upper halves of its elements.</summary>
internal readonly unsafe struct UpperHalf : IPanelPart
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* p) => Avx512F.And(Vector512.Load((uint*)p), Vector512.Create(0xFFFF0000u)).AsSingle();
}
