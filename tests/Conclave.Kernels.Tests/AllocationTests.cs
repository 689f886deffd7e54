using System.Runtime.CompilerServices;
using Conclave.Primitives;

namespace Conclave.Kernels.Tests;

/// <summary>Nothing is allocated on the managed heap, by any thread: these tests run alone, because they watch the whole process.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed unsafe class AllocationTests
{
    private const int Runs = 2000;

    public static TheoryData<string> All => Sets.All;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_run_of_the_team_allocates_nothing(int threads)
    {
        using WorkerTeam team = new(threads);
        AssertNothingAllocated(Runs, () => Empty(team));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Operators_allocate_nothing(string set)
    {
        KernelSet kernels = KernelSet.Find(set);
        using WorkerTeam team = new(2);
        LatentAttentionShape shape = new(2, 8, 4, 8, 16, 0.3f);
        using AttentionCase attention = new(1, shape, ElementFormat.F8_E4M3, ElementFormat.BF16, 5);
        using AttentionCase longContext = new(9, shape, ElementFormat.F8_E4M3, ElementFormat.BF16, 1100);
        using Matrix longOutput = Matrix.Zero(1100, 16);
        AttentionSpan[] lastRow = [longContext.Span(0, 1099, 1100)];
        using Matrix output = Matrix.Zero(5, 16);
        using Matrix x = Matrix.Random(new Random(2), 5, 16);
        using Matrix gain = Matrix.Random(new Random(3), 1, 16);
        using Matrix angles = Matrix.Random(new Random(4), 5, 4);
        using Matrix weight = Matrix.Weight(new Random(5), ElementFormat.BF16, 16, 16);
        MlpWeights[] experts = [new(weight.View, weight.View, weight.View)];
        AttentionSpan[] spans = attention.AllSpans();
        byte* codes = stackalloc byte[64];
        nint target = (nint)codes;
        int[] offsets = [0, 5];
        using Matrix down = Matrix.Weight(new Random(6), ElementFormat.F8_E4M3, 16, 16);
        using Matrix latent = Matrix.Weight(new Random(7), ElementFormat.F8_E4M3, 20, 16);
        using Matrix up = Matrix.Weight(new Random(8), ElementFormat.F8_E4M3, 24, 16);
        using Matrix query = Matrix.Zero(5, 24);
        nint[] cacheRows = [0, 1, 2, 3, 4];
        MlaPrepareWeights prepare = new(down.View, gain.View, up.View, latent.View, gain.View, 1e-6f);
        TensorView halfAngles = angles.View.SliceColumns(0, 2);
        AssertNothingAllocated(
            200,
            () =>
            {
                kernels.RmsNorm.Run(x.View, gain.View, 1e-6f, output.View, team);
                kernels.Rotary.Run(output.View, 2, 8, 0, angles.View, angles.View, interleaved: true, team);
                kernels.ScaledAdd.Run(x.View, 0.5f, output.View, team);
                kernels.MatMul.Run(weight.View, x.View, output.View, team);
                kernels.ExpertMlp.Run(experts, new ExpertRows(offsets, []), x.View, output.View, team);
                kernels.MlaPrepare.Run(
                    shape, prepare, x.View, new RotaryAngles(halfAngles, halfAngles, Interleaved: true), attention.Pages, cacheRows, query.View, team);
                kernels.AbsorbedAttention.Run(
                    shape, attention.Queries.View, attention.Expansion.View, attention.Pages, spans, output.View, team);

                // Fewer rows than workers: the context's chunks are divided.
                kernels.AbsorbedAttention.Run(
                    shape, longContext.Queries.View, longContext.Expansion.View, longContext.Pages, lastRow, longOutput.View, team);
                kernels.ExpandedAttention.Run(
                    shape, attention.Queries.View, attention.Expansion.View, attention.Pages, spans, output.View, team);
                kernels.Codec.Encode(x.View.RowF32(0), ElementFormat.BF16, (byte*)target);
                kernels.Codec.Decode(weight.View, 0, x.View.RowF32(0));
            });
    }

    private static void AssertNothingAllocated(int runs, Action action)
    {
        for (int i = 0; i < runs; i++)
        {
            action();
        }

        // The test runner's own threads and the JIT's tiers may allocate meanwhile, so the quietest of a few attempts counts; what an operator itself
        // allocated would show in each of them.
        long smallest = long.MaxValue;
        for (int attempt = 0; attempt < 10 && smallest > 0; attempt++)
        {
            long own = GC.GetAllocatedBytesForCurrentThread();
            long all = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < runs; i++)
            {
                action();
            }

            smallest = Math.Min(smallest, GC.GetTotalAllocatedBytes(precise: true) - all);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - own);
        }

        // One object for each run would be 24 bytes and more.
        Assert.InRange(smallest, 0, runs * 8);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Empty(WorkerTeam team) => team.Run(default(Nothing));

    private readonly struct Nothing : IWork
    {
        public void Run(int worker, int workers)
        {
        }
    }
}
