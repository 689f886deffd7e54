using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>The same request gives the same bits alone or in any batch, however its prompt is cut, on any number of threads.</summary>
public sealed class BitContractTests
{
    private const int PromptLength = 150;
    private const int Generated = 4;

    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> cases = [];
        foreach (string isa in InstructionSets.Names)
        {
            foreach (string model in Repository.SmallModels)
            {
                cases.Add(new TheoryDataRow<string, string>(isa, model) { Skip = InstructionSets.WhyNot(isa) });
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BitsDoNotDependOnChunksBatchOrThreads(string isa, string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        foreach (ElementFormat cacheFormat in new[] { ElementFormat.F32, ElementFormat.BF16 })
        {
            float[][] alone = Run(checkpoint, isa, cacheFormat, 1, chunk: PromptLength, company: false, divide: false);
            Assert.All(alone, logits => Assert.All(logits, logit => Assert.True(float.IsFinite(logit))));
            Assert.NotEqual(alone[0], alone[1]);
            foreach ((int threads, int chunk, bool company, bool divide) in new[]
            {
                (2, PromptLength, false, false), (3, 64, true, false), (4, 7, false, false), (1, 1, true, false), (2, 65, true, false),
                (2, PromptLength, false, true), (1, 7, true, true),
            })
            {
                float[][] other = Run(checkpoint, isa, cacheFormat, threads, chunk, company, divide);
                Assert.Equal(Bits(alone), Bits(other));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BitsDoNotDependOnStepsOfMoreTokensThanShareADecoding(string isa, string name)
    {
        const int Long = 600;
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Model(name));
        float[][] whole = Run(checkpoint, isa, ElementFormat.F32, 2, ModelOptions.DefaultTokensPerStep, company: false, divide: false, Long);
        Assert.NotEqual(whole[0], whole[1]);
        foreach (int chunk in new[] { 300, 7 })
        {
            Assert.Equal(Bits(whole), Bits(Run(checkpoint, isa, ElementFormat.F32, 2, chunk, company: false, divide: false, Long)));
        }
    }

    private static uint[][] Bits(float[][] logits) =>
        Array.ConvertAll(logits, row => Array.ConvertAll(row, BitConverter.SingleToUInt32Bits));

    /// <summary>Logits after the prompt and after each of a few generated tokens of one sequence.</summary>
    private static float[][] Run(Checkpoint checkpoint, string isa, ElementFormat cacheFormat, int threads, int chunk, bool company, bool divide, int promptLength = PromptLength)
    {
        using WorkerTeam team = new(threads);
        KernelSet kernels = KernelSet.Find(isa);
        ModelOptions options = new()
        {
            CacheBlocks = 16, CacheFormat = cacheFormat, MaxTokensPerStep = ModelOptions.DefaultTokensPerStep, ReadAhead = company, Experts = divide ? RecordingExchange.Divided(checkpoint.Config, kernels, team) : null,
        };
        using DeepSeekModel model = new(checkpoint, kernels, team, options);
        using ForwardBatch batch = new(options.MaxTokensPerStep, 8, 64);
        int vocabulary = checkpoint.Config.VocabularySize;
        int[] tokens = Tokens(promptLength + Generated, vocabulary, seed: 1);
        int[] others = Tokens(400, vocabulary, seed: 2);

        // In company the sequence's blocks are scattered, and two strangers share every step: one with a prompt, one that generates.
        int[] table = company ? [11, 2, 7] : [.. Enumerable.Range(0, LatentCache.BlocksFor(promptLength + Generated))];
        int[] promptTable = [3, 12, 5, 1];
        int[] generatingTable = [9, 4];
        int strangerPosition = 0;
        List<float[]> logits = [];
        for (int position = 0; position < tokens.Length;)
        {
            bool prompt = position < promptLength;
            int count = prompt ? Math.Min(chunk, promptLength - position) : 1;
            batch.Clear();
            if (company && strangerPosition < 200)
            {
                batch.Add(others.AsSpan(strangerPosition, 3), strangerPosition, AttentionForm.Expanded, promptTable, 1);
                strangerPosition += 3;
            }

            int row = batch.LogitCount;
            batch.Add(
                tokens.AsSpan(position, count), position, prompt ? AttentionForm.Expanded : AttentionForm.Absorbed, table, 1);
            if (company)
            {
                int at = Math.Min(position, 100);
                batch.Add(others.AsSpan(at, 1), at, AttentionForm.Absorbed, generatingTable, 1);
            }

            position += count;
            TensorView result = model.Forward(batch);
            if (position >= promptLength)
            {
                logits.Add(result.RowF32(row).ToArray());
            }
        }

        return [.. logits];
    }

    private static int[] Tokens(int count, int vocabulary, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
    }
}
