using Conclave.Checkpoints;
using Conclave.Engine;
using Conclave.Kernels;
using Conclave.Models;

// Usage: Conclave.AllocationProbe MODEL ISA THREADS. Prints the managed bytes that all threads together allocated while a warmed-up generator chose
// tokens. A process of its own: a test runner's threads allocate too.
const int WarmUp = 100;
const int Measured = 200;

using Checkpoint checkpoint = Checkpoint.Open(args[0]);
using WorkerTeam team = new(int.Parse(args[2]));
using DeepSeekModel model = new(checkpoint, KernelSet.Find(args[1]), team, new ModelOptions { CacheBlocks = 8 });
using TokenGenerator generator = new(model, checkpoint.Config.EosTokens);
generator.Start([0, 3, 70], new SamplingOptions { IgnoreEos = true, Seed = 1, TopP = 0.95, RepetitionPenalty = 1.1 });
int sum = Generate(WarmUp);
long before = GC.GetTotalAllocatedBytes(precise: true);
sum += Generate(Measured);
long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
Console.WriteLine($"{allocated} bytes in {Measured} tokens (sum of ids {sum})");
return 0;

int Generate(int count)
{
    int total = 0;
    for (int i = 0; i < count; i++)
    {
        if (!generator.TryNext(out int token))
        {
            throw new InvalidOperationException($"the answer ended: {generator.Finished}");
        }

        total += token;
    }

    return total;
}
