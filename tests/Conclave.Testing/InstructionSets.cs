using System.Runtime.Intrinsics.X86;

namespace Conclave.Testing;

/// <summary>The instruction sets that there are operators for. Tests list all of them, and name those that the machine lacks as skipped.</summary>
public static class InstructionSets
{
    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["reference", "avx2", "avx512"];

    /// <summary>Why a test on this set is skipped on this machine; null: it is not.</summary>
    public static string? WhyNot(string name) => name switch
    {
        "avx2" when !(Avx2.IsSupported && Fma.IsSupported) => "this machine has no AVX2",
        "avx512" when !(Avx512F.IsSupported && Avx512BW.IsSupported) => "this machine has no AVX-512",
        _ => null,
    };
}
