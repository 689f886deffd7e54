using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

/// <summary>A model that cannot be composed leaves nothing behind: nobody has it to dispose of it.</summary>
public sealed class IncompleteModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WhatItHadIsFreed()
    {
        CheckpointCopy copy = new(Repository.Data("v2-greedy-bf16"));
        copy.Take("model.layers.2.input_layernorm.weight");
        copy.Write(_folder);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        using WorkerTeam team = new(1);
        SlotMaker exchange = new();
        ModelOptions options = new() { CacheBlocks = 1, MaxTokensPerStep = 8, Experts = new ExpertPartition(exchange, _ => [0], DivideFrom: 2) };
        Assert.Contains("input_layernorm", Assert.Throws<UserErrorException>(() => new DeepSeekModel(checkpoint, KernelSet.Best, team, options)).Message, StringComparison.Ordinal);
        Assert.Equal([true, true], exchange.Slots.Select(slot => slot.IsDisposed));
    }

    private sealed class SlotMaker : IExpertExchange
    {
        public List<Slot> Slots { get; } = [];

        public ExchangeSlot CreateSlot(int maxTokens)
        {
            Slots.Add(new Slot(maxTokens));
            return Slots[^1];
        }

        public void BeginDispatch(ExchangeSlot slot, int layer, TensorView hidden, in Routing routing) => throw new NotSupportedException();

        public ExpertRows FinishDispatch(ExchangeSlot slot, out TensorView input) => throw new NotSupportedException();

        public void BeginCombine(ExchangeSlot slot, TensorView outputs) => throw new NotSupportedException();

        public void FinishCombine(ExchangeSlot slot, TensorView destination) => throw new NotSupportedException();

        public void Progress() => throw new NotSupportedException();
    }

    private sealed class Slot(int maxTokens) : ExchangeSlot
    {
        public override int MaxRows => maxTokens;

        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing) => IsDisposed = true;
    }
}
