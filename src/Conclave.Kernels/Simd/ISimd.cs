using System.Runtime.Intrinsics;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// What an instruction set gives to the operators that are written once for all vector widths. Implementers are empty structs: as type arguments
/// they make the JIT compile each operator for its instructions.
/// </summary>
/// <typeparam name="TVector">A vector of binary32.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    /// <summary>Elements of a vector.</summary>
    static abstract int Lanes { get; }

    static abstract TVector Load(float* source);

    static abstract void Store(float* destination, TVector value);

    /// <summary>All bits set in the first <paramref name="count"/> lanes.</summary>
    static abstract TVector Mask(int count);

    /// <summary>Loads the lanes of the mask, zero in the others, whose memory is not touched.</summary>
    static abstract TVector LoadMasked(float* source, TVector mask);

    /// <summary>Stores the lanes of the mask; the memory of the others is not touched.</summary>
    static abstract void StoreMasked(float* destination, TVector mask, TVector value);

    /// <summary>mask ? value : other.</summary>
    static abstract TVector Select(TVector mask, TVector value, TVector other);

    static abstract TVector Broadcast(float value);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>a · b + c, rounded once.</summary>
    static abstract TVector Fma(TVector a, TVector b, TVector c);

    /// <summary>c − a · b, rounded once.</summary>
    static abstract TVector FmaNegated(TVector a, TVector b, TVector c);

    /// <summary>The greater; b where one of them is NaN.</summary>
    static abstract TVector Max(TVector a, TVector b);

    /// <summary>The smaller; b where one of them is NaN.</summary>
    static abstract TVector Min(TVector a, TVector b);

    /// <summary>Nearest integers, ties to even.</summary>
    static abstract TVector Round(TVector a);

    /// <summary>a · 2^n for integers n in [−150, 128] and 1 ≤ a &lt; 2 or so, rounded once.</summary>
    static abstract TVector Scale(TVector a, TVector n);

    /// <summary>The sum of all lanes: halves are added (l and l + Lanes/2) down to four lanes, then neighbours.</summary>
    static abstract float ReduceAdd(TVector a);

    /// <summary>The four sums of <see cref="ReduceAdd(TVector)"/>.</summary>
    static abstract Vector128<float> ReduceAdd(TVector a, TVector b, TVector c, TVector d);

    static abstract float ReduceMax(TVector a);

    /// <summary>(a0 a1 …), (… an) → the elements of even place and those of odd place.</summary>
    static abstract (TVector Even, TVector Odd) Deinterleave(TVector first, TVector second);

    /// <summary>The inverse of <see cref="Deinterleave"/>.</summary>
    static abstract (TVector First, TVector Second) Interleave(TVector even, TVector odd);

    /// <summary>Widens as many bfloat16 as a vector has lanes.</summary>
    static abstract TVector LoadBF16(ushort* source);

    /// <summary>Widens as many binary16 as a vector has lanes; infinities and NaN included.</summary>
    static abstract TVector LoadF16(ushort* source);

    /// <summary>Widens as many E4M3 codes as a vector has lanes; the NaN codes, which no weight contains, give ±480.</summary>
    static abstract TVector LoadE4M3(byte* source);

    /// <summary>Rounds to bfloat16 (nearest, ties to even; NaN stays NaN).</summary>
    static abstract void StoreBF16(ushort* destination, TVector value);

    /// <summary>Rounds to E4M3 (nearest, ties to even; magnitudes beyond 448 become ±448, NaN stays NaN).</summary>
    static abstract void StoreE4M3(byte* destination, TVector value);

    /// <summary>Bytes of scratch memory of <see cref="Project"/>.</summary>
    static abstract nint ProjectionScratch(nint k, int m);

    /// <summary>
    /// The linear projection of this instruction set on the calling thread: output[i · outputStride + j] = Σ_k input[i][k] · w[firstRow + j, k].
    /// </summary>
    static abstract void Project(
        TensorView weights, nint firstRow, nint rowCount, InputRows input, int m, float* output, nint outputStride, byte* scratch);

    /// <summary>Columns of a <see cref="WideProduct"/>: as many as registers have room for with <see cref="OrderedProduct{TSimd, TVector}.MaxRows"/> rows.</summary>
    static abstract int WideColumns { get; }

    /// <summary>An <see cref="OrderedProduct{TSimd, TVector}"/> of <see cref="WideColumns"/> columns and two rows or more, all of one depth.</summary>
    static abstract void WideProduct(int rows, float* a, nint aStride, int depth, float* b, nint bStride, float* c, nint cStride, bool accumulate);

    /// <summary>Most queries of <see cref="LatentDots"/>.</summary>
    static abstract int DotQueries { get; }

    /// <summary>A <see cref="LatentDots{TSimd, TVector}"/> of four tokens: four scores for each query.</summary>
    static abstract void LatentDots(int queries, float* query, float* t0, float* t1, float* t2, float* t3, nint dimensions, float* scores, nint scoreStride);
}
