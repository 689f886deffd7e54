using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Kernels.Tests;

/// <summary>What tests run through.</summary>
internal static class Sets
{
    public static KernelSet Reference => KernelSet.Supported[0];

    public static TheoryData<string> All => new(InstructionSets.Names.Select(name => new TheoryDataRow<string>(name) { Skip = InstructionSets.WhyNot(name) }));

    public static ElementFormat[] WeightFormats => [ElementFormat.F32, ElementFormat.F16, ElementFormat.BF16, ElementFormat.F8_E4M3];
}
