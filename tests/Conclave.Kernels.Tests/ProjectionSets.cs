namespace Conclave.Kernels.Tests;

/// <summary>The projections of an instruction set.</summary>
internal static class ProjectionSets
{
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
