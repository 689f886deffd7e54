using System.Buffers.Binary;
using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Launch;
using Conclave.Primitives;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Parallel.Tests.Launch;

/// <summary>The message that begins a step gives each rank its batch, and nothing that is none is believed.</summary>
public sealed class StepMessageTests : IDisposable
{
    private const int MaxTokens = 24;
    private const int CacheBlocks = 9;
    private const int DataRanks = 3;

    private readonly ModelConfig _config;
    private readonly StepWriter _writer = new(DataRanks, 1);
    private readonly ForwardBatch[] _batches = [.. Enumerable.Range(0, DataRanks).Select(_ => new ForwardBatch(MaxTokens, MaxTokens, MaxTokens * CacheBlocks))];
    private readonly StepReader[] _readers;

    public StepMessageTests()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fable);
        _config = checkpoint.Config;
        _readers = Readers(1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_rank_reads_the_batch_of_its_group(int ranksOfGroup)
    {
        StepWriter writer = new(DataRanks, ranksOfGroup);
        StepReader[] readers = Readers(ranksOfGroup);
        Gen.Int.Sample(seed =>
        {
            Random random = new(seed);
            Array.ForEach(_batches, batch => Fill(batch, random));

            // A leader need not have a batch for all.
            ReadOnlySpan<ForwardBatch> batches = _batches.AsSpan(0, random.Next(1, DataRanks + 1));
            ControlFrame frame = new(ControlKind.Step, writer.Write(batches).ToArray());
            int tokens = 0;
            foreach (ForwardBatch batch in batches)
            {
                tokens += batch.Count;
            }

            for (int rank = 1; rank < readers.Length; rank++)
            {
                readers[rank].Read(frame);
                int group = rank / ranksOfGroup;
                Assert.Equal(tokens, readers[rank].TokensOfAll);
                Assert.Equal(group < batches.Length ? Describe(batches[group]) : Describe(null), Describe(readers[rank].Batch));
            }
        }, threads: 1);
        Array.ForEach(readers, reader => reader.Dispose());
    }

    [Fact]
    public void Damaged_messages_are_refused_or_are_other_messages()
    {
        Random random = new(1);
        Array.ForEach(_batches, batch => Fill(batch, random));
        byte[] message = _writer.Write(_batches).ToArray();
        Gen.Select(Gen.Int[0, message.Length / 4 - 1], Gen.OneOf(Gen.Int, Gen.Int[-1, 30]), Gen.Int[-8, 8]).Sample((at, value, longer) =>
        {
            byte[] body = [.. message];
            BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(at * sizeof(int)), value);
            Array.Resize(ref body, message.Length + longer);
            foreach (StepReader reader in _readers[1..])
            {
                try
                {
                    reader.Read(new ControlFrame(ControlKind.Step, body));
                    Check(reader.Batch);
                }
                catch (ControlException e)
                {
                    Assert.StartsWith("sent Step ", e.Message);
                }
            }
        }, threads: 1);
    }

    [Theory]
    [InlineData(0, MaxTokens * DataRanks + 1, "tokens 73; 0 to 72 are possible")]
    [InlineData(0, 1, "2 tokens for rank 1 and 1 for all")]
    [InlineData(1, 4, "that ends too early")]
    [InlineData(1, int.MaxValue, "a length of a batch of 2147483647")]
    [InlineData(2, -1, "copies of blocks -1")]
    [InlineData(3, CacheBlocks, "a block 9; 0 to 8 are possible")]
    [InlineData(5, MaxTokens + 1, "chunks 25")]
    [InlineData(6, 0, "rows 0; 1 to 24 are possible")]
    [InlineData(7, CacheBlocks * 64 - 1, "a first position 575; 0 to 574 are possible")]
    [InlineData(7, 200, "that ends too early")]
    [InlineData(8, 2, "a form 2")]
    [InlineData(9, 3, "rows that need logits 3; 0 to 2 are possible")]
    [InlineData(10, 1 << 20, "a token 1048576")]
    [InlineData(12, CacheBlocks, "a block 9; 0 to 8 are possible")]
    public void What_cannot_be_is_named(int at, int value, string complaint)
    {
        Array.ForEach(_batches, batch => batch.Clear());
        _batches[1].Copy(new BlockCopy(1, 2));
        _batches[1].Add([7, 8], 70, AttentionForm.Expanded, [3, 2], 1);
        byte[] body = _writer.Write(_batches).ToArray();
        StepReader reader = _readers[1];
        reader.Read(new ControlFrame(ControlKind.Step, body));
        Assert.Equal(Describe(_batches[1]), Describe(reader.Batch));
        BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(at * sizeof(int)), value);
        Assert.Contains(complaint, Assert.Throws<ControlException>(() => reader.Read(new ControlFrame(ControlKind.Step, body))).Message);
        Assert.Throws<ControlException>(() => reader.Read(new ControlFrame(ControlKind.Step, [.. _writer.Write(_batches), 0])));
    }

    public void Dispose()
    {
        Array.ForEach(_batches, batch => batch.Dispose());
        Array.ForEach(_readers, reader => reader.Dispose());
    }

    /// <summary>Of all ranks that have tokens, and one that has none.</summary>
    private StepReader[] Readers(int ranksOfGroup)
    {
        WorldPlan plan = LaunchedEngine.Plan((DataRanks * ranksOfGroup) + 1, 1) with { DataParallel = DataRanks, TensorParallel = ranksOfGroup };
        ModelOrder order = new("/m", "reference", 1, MaxTokens, CacheBlocks, ElementFormat.F32, 0);
        return [.. Enumerable.Range(0, plan.Ranks).Select(rank => new StepReader(rank, plan, _config, order))];
    }

    private void Fill(ForwardBatch batch, Random random)
    {
        batch.Clear();
        for (int i = random.Next(3); i > 0; i--)
        {
            batch.Copy(new BlockCopy(random.Next(CacheBlocks), random.Next(CacheBlocks)));
        }

        while (random.Next(5) > 0 && batch.Count < MaxTokens)
        {
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, MaxTokens - batch.Count + 1)).Select(_ => random.Next(_config.VocabularySize))];
            int first = random.Next((CacheBlocks * LatentPages.TokensPerBlock) - tokens.Length + 1);
            int[] table = [.. Enumerable.Range(0, LatentCache.BlocksFor(first + tokens.Length)).Select(_ => random.Next(CacheBlocks))];
            batch.Add(tokens, first, random.Next(2) == 0 ? AttentionForm.Expanded : AttentionForm.Absorbed, table, random.Next(tokens.Length + 1));
        }
    }

    private void Check(ForwardBatch batch)
    {
        Assert.InRange(batch.Count, 0, MaxTokens);
        Assert.All(batch.Tokens.ToArray(), token => Assert.InRange(token, 0, _config.VocabularySize - 1));
        Assert.All(batch.CacheRows.ToArray(), row => Assert.InRange(row, 0, (CacheBlocks * LatentPages.TokensPerBlock) - 1));
        Assert.All(batch.Copies.ToArray(), copy => Assert.True(copy is { From: >= 0 and < CacheBlocks, To: >= 0 and < CacheBlocks }));
        foreach (AttentionSpan span in (AttentionSpan[])[.. batch.Expanded, .. batch.Absorbed])
        {
            Assert.All(ForwardBatch.BlockTable(span).ToArray(), block => Assert.InRange(block, 0, CacheBlocks - 1));
        }
    }

    private static string Describe(ForwardBatch? batch) => batch is null ? "[] [] [] [] []" :
        $"[{string.Join(',', batch.Tokens.ToArray())}] [{string.Join(',', batch.Positions.ToArray())}] [{string.Join(',', batch.CacheRows.ToArray())}] "
        + $"[{string.Join(',', batch.LogitRows.ToArray())}] [{string.Join(',', batch.Copies.ToArray())}]"
        + string.Concat(batch.Expanded.ToArray().Select(span => $" expanded {Describe(span)}")) + string.Concat(batch.Absorbed.ToArray().Select(span => $" absorbed {Describe(span)}"));

    private static string Describe(AttentionSpan span) => $"{span.FirstRow}+{span.Rows} at {span.FirstPosition} in {string.Join(',', ForwardBatch.BlockTable(span).ToArray())}";
}
