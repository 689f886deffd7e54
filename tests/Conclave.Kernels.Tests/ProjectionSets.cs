using System.Runtime.Intrinsics.X86;

namespace Conclave.Kernels.Tests;

/// <summary>The SIMD projections that this machine can run.</summary>
internal static class ProjectionSets
{
    public static IEnumerable<string> Names
    {
        get
        {
            yield return "reference";
            if (Avx2.IsSupported && Fma.IsSupported)
            {
                yield return "avx2";
            }

            if (Avx512F.IsSupported && Avx512BW.IsSupported)
            {
                yield return "avx512";
            }
        }
    }

    public static MatMul MatMul(string set) => set switch
    {
        "reference" => new ReferenceMatMul(),
        "avx2" => new Avx2MatMul(),
        _ => new Avx512MatMul(),
    };

    public static ExpertMlp ExpertMlp(string set) => set switch
    {
        "reference" => new ReferenceExpertMlp(),
        "avx2" => new Avx2ExpertMlp(),
        _ => new Avx512ExpertMlp(),
    };
}
