using System.Runtime.Intrinsics;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The operators on one instruction set. Chosen once and handed down; all sets compute the same functions, each with its own rounding.</summary>
public sealed record KernelSet
{
    private static readonly KernelSet[] SupportedSets = FindSupported();

    /// <summary>Name of the instruction set, as <c>CONCLAVE_ISA</c> and <c>--isa</c> spell it.</summary>
    public required string Name { get; init; }

    /// <summary>Linear projection.</summary>
    public required MatMul MatMul { get; init; }

    /// <summary>Root mean square normalization.</summary>
    public required RmsNorm RmsNorm { get; init; }

    /// <summary>Rotary position embedding.</summary>
    public required Rotary Rotary { get; init; }

    /// <summary>Queries and the cache's new rows, before attention.</summary>
    public required MlaPrepare MlaPrepare { get; init; }

    /// <summary>Attention as generated positions compute it.</summary>
    public required LatentAttention AbsorbedAttention { get; init; }

    /// <summary>Attention as prompt positions compute it.</summary>
    public required LatentAttention ExpandedAttention { get; init; }

    /// <summary>Dense, shared and routed MLPs.</summary>
    public required ExpertMlp ExpertMlp { get; init; }

    /// <summary>Weighted accumulation.</summary>
    public required ScaledAdd ScaledAdd { get; init; }

    /// <summary>Between stored formats and binary32.</summary>
    public required Codec Codec { get; init; }

    /// <summary>The sets that this machine can run: the scalar reference first, the best last.</summary>
    public static ReadOnlySpan<KernelSet> Supported => SupportedSets;

    /// <summary>The fastest set that this machine can run.</summary>
    public static KernelSet Best => SupportedSets[^1];

    /// <summary>The set of that name, in capitals or not.</summary>
    /// <exception cref="UserErrorException">There is no such set, or this machine cannot run it.</exception>
    public static KernelSet Find(string name)
    {
        foreach (KernelSet set in SupportedSets)
        {
            if (string.Equals(set.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                return set;
            }
        }

        throw new UserErrorException(
            $"this machine has no instruction set '{name}'; choose one of: {string.Join(", ", SupportedSets.Select(set => set.Name))}");
    }

    private static KernelSet[] FindSupported()
    {
        List<KernelSet> sets =
        [
            new()
            {
                Name = "reference",
                MatMul = new ReferenceMatMul(),
                RmsNorm = new ReferenceRmsNorm(),
                Rotary = new ReferenceRotary(),
                MlaPrepare = new SequentialMlaPrepare(new ReferenceMatMul(), new ReferenceRmsNorm(), new ReferenceRotary(), new ReferenceCodec()),
                AbsorbedAttention = new ReferenceAbsorbedAttention(),
                ExpandedAttention = new ReferenceExpandedAttention(),
                ExpertMlp = new ReferenceExpertMlp(),
                ScaledAdd = new ReferenceScaledAdd(),
                Codec = new ReferenceCodec(),
            },
        ];
        if (Avx2Simd.IsSupported)
        {
            sets.Add(Create<Avx2Projection, Avx2Simd, Vector256<float>>("avx2", new Avx2MatMul(), new Avx2ExpertMlp()));
        }

        if (Avx512Simd.IsSupported)
        {
            sets.Add(Create<Avx512Projection, Avx512Simd, Vector512<float>>("avx512", new Avx512MatMul(), new Avx512ExpertMlp()));
        }

        return [.. sets];
    }

    private static KernelSet Create<TProjection, TSimd, TVector>(string name, MatMul matMul, ExpertMlp expertMlp)
        where TProjection : struct, IProjection
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => new()
        {
            Name = name,
            MatMul = matMul,
            RmsNorm = new SimdRmsNorm<TSimd, TVector>(),
            Rotary = new SimdRotary<TSimd, TVector>(),
            MlaPrepare = new ProjectionMlaPrepare<TProjection, TSimd, TVector>(),
            AbsorbedAttention = new SimdAbsorbedAttention<TSimd, TVector>(),
            ExpandedAttention = new SimdExpandedAttention<TSimd, TVector>(),
            ExpertMlp = expertMlp,
            ScaledAdd = new SimdScaledAdd<TSimd, TVector>(),
            Codec = new SimdCodec<TSimd, TVector>(),
        };
}
