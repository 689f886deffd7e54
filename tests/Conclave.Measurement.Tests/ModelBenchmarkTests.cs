using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Measurement.Tests;

/// <summary>What a benchmark of a model prepares.</summary>
public sealed class ModelBenchmarkTests
{
    private const int Blocks = 3;
    private const int Steps = 2;

    /// <summary>A prompt writes what it reads; what generated tokens read must have been written before.</summary>
    [Theory]
    [InlineData(WorkloadPhase.Prefill, 0)]
    [InlineData(WorkloadPhase.Decode, Blocks)]
    public void The_cache_is_filled_for_generated_tokens_only(WorkloadPhase phase, int blocksOfLayer)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        using WorkerTeam team = new(1);
        CountingCodec codec = new(KernelSet.Best.Codec);
        using ModelBenchmark benchmark = new(
            checkpoint,
            KernelSet.Best with { Codec = codec },
            team,
            [new Workload(phase, (Blocks * LatentPages.TokensPerBlock) - Steps, 1)],
            Steps,
            tokensPerStep: 64,
            static options => options);
        Assert.Equal(blocksOfLayer * checkpoint.Config.Layers, codec.Encoded);
    }

    private sealed unsafe class CountingCodec(Codec inner) : Codec
    {
        public int Encoded { get; private set; }

        public override void Decode(TensorView source, nint row, Span<float> destination) => inner.Decode(source, row, destination);

        public override void Encode(ReadOnlySpan<float> source, ElementFormat format, byte* destination)
        {
            Encoded++;
            inner.Encode(source, format, destination);
        }

        public override void EncodeE4M3(ReadOnlySpan<float> source, byte* codes, float* scales) => inner.EncodeE4M3(source, codes, scales);
    }
}
