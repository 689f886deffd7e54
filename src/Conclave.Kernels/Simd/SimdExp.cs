using System.Runtime.CompilerServices;

namespace Conclave.Kernels;

/// <summary>The exponential of a vector.</summary>
internal static class SimdExp<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>e^x in every lane, the bits of <see cref="Transcendental.Exp(float)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp(TVector x)
    {
        // The constant comes first, so that NaN passes through.
        TVector bounded = TSimd.Min(
            TSimd.Broadcast(Transcendental.HighestSingle), TSimd.Max(TSimd.Broadcast(Transcendental.LowestSingle), x));
        TVector n = TSimd.Round(TSimd.Multiply(bounded, TSimd.Broadcast(Transcendental.Log2E)));
        TVector r = TSimd.Fma(n, TSimd.Broadcast(-Transcendental.Ln2High), bounded);
        r = TSimd.Fma(n, TSimd.Broadcast(-Transcendental.Ln2Low), r);
        TVector sum = TSimd.Fma(TSimd.Broadcast(Transcendental.Exp7), r, TSimd.Broadcast(Transcendental.Exp6));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(Transcendental.Exp5));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(Transcendental.Exp4));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(Transcendental.Exp3));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(Transcendental.Exp2));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(1f));
        sum = TSimd.Fma(sum, r, TSimd.Broadcast(1f));
        return TSimd.Scale(sum, n);
    }
}
