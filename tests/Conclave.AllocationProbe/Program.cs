using Conclave.Checkpoints;
using Conclave.Engine;
using Conclave.Engine.Scheduling;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

// Usage: Conclave.AllocationProbe MODEL ISA THREADS BATCH PROMPT. Prints the managed bytes that all threads together allocated while warmed-up steps of so many
// answers to prompts of so many tokens were planned, computed and their tokens chosen. A process of its own: a test runner's threads allocate too.
const int WarmUp = 100;
const int Measured = 200;

int batch = int.Parse(args[3]);
int promptLength = int.Parse(args[4]);
int contextLength = promptLength + WarmUp + Measured;
int blocks = batch * LatentCache.BlocksFor(contextLength);
using Checkpoint checkpoint = Checkpoint.Open(args[0]);
using WorkerTeam team = new(int.Parse(args[2]));
using DeepSeekModel model = new(checkpoint, KernelSet.Find(args[1]), team, new ModelOptions { CacheBlocks = blocks });
using DeepSeekRunner runner = new(model, batch, contextLength);
Scheduler scheduler = new(new BlockManager(blocks, LatentPages.TokensPerBlock), model.Options.MaxTokensPerStep, batch);
SamplerWorkspace workspace = new(runner.VocabularySize);
Dictionary<Sequence, Sampler> samplers = [];
for (int answer = 0; answer < batch; answer++)
{
    int[] prompt = [0, .. Enumerable.Range(answer, promptLength - 1).Select(index => 70 + (index % 100))];
    Sequence sequence = new(prompt, WarmUp + Measured);
    samplers.Add(sequence, new Sampler(new SamplingOptions { IgnoreEos = true, Seed = 1 + answer, TopP = 0.95, RepetitionPenalty = 1.1 }, workspace, prompt, []));
    scheduler.Submit(sequence);
}

long sum = Generate(WarmUp);
long before = GC.GetTotalAllocatedBytes(precise: true);
sum += Generate(Measured);
long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
Console.WriteLine($"{allocated} bytes in {Measured} steps of {batch} (sum of ids {sum})");
return 0;

long Generate(int count)
{
    long total = 0;
    for (int i = 0; i < count; i++)
    {
        StepPlan plan = scheduler.Schedule();
        TensorView logits = runner.Run(plan);
        scheduler.Complete();
        foreach (StepEntry entry in plan.Entries)
        {
            // Of a long prompt a step computes only a part.
            if (entry.Logits == 0)
            {
                continue;
            }

            Sampler sampler = samplers[entry.Sequence];
            int token = sampler.Sample(logits.RowF32(entry.LogitRow));
            sampler.Accept(token);
            entry.Sequence.Append(token);
            total += token;
        }
    }

    return total;
}
