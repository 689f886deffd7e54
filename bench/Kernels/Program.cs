using System.Runtime.Intrinsics.X86;
using Conclave.Benchmarks.Kernels;
using Conclave.Kernels;
using Conclave.Primitives;

// Usage: Kernels [threads] [megabytes of weights] [filter on instruction set/format]
int threads = args.Length > 0 ? int.Parse(args[0]) : WorkerTeam.DefaultThreads;
nint bytes = (args.Length > 1 ? nint.Parse(args[1]) : 512) << 20;
string filter = args.Length > 2 ? args[2] : "";

using WorkerTeam team = new(threads);
using NativeBuffer memory = new(bytes);

// Pages that were never written are one page of zeros, which the cache holds.
BenchmarkData.Fill(memory, ElementFormat.F32);
double bandwidth = MachineLimits.ReadBandwidth(memory, team);
Console.WriteLine($"{threads} threads: reads {bandwidth * 1e-9:F1} GB/s");
List<(string Name, MatMul MatMul, ExpertMlp Mlp, bool Wide)> sets = [];
if (Avx2.IsSupported)
{
    sets.Add(("avx2", new Avx2MatMul(), new Avx2ExpertMlp(), false));
}

if (Avx512BW.IsSupported)
{
    sets.Add(("avx512", new Avx512MatMul(), new Avx512ExpertMlp(), true));
}

foreach ((string name, MatMul matMul, ExpertMlp mlp, bool wide) in sets)
{
    double peak = MachineLimits.PeakFlops(team, wide);
    Console.WriteLine($"{name}: multiply-adds reach {peak * 1e-9:F0} GFLOP/s");
    foreach (ElementFormat format in new[] { ElementFormat.F8_E4M3, ElementFormat.BF16, ElementFormat.F16, ElementFormat.F32 })
    {
        if (!$"{name}/{format}".Contains(filter, StringComparison.OrdinalIgnoreCase))
        {
            continue;
        }

        BenchmarkData.Fill(memory, format);
        MatMulBenchmark.Run(name, matMul, format, memory, team, bandwidth, peak);
        ExpertMlpBenchmark.Run(name, mlp, format, memory, team, bandwidth, peak);
    }
}
