using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Benchmarks.Kernels;

/// <summary>Experts of DeepSeek-V2-Lite's shape: sixteen with one row each, and with many.</summary>
internal static unsafe class ExpertMlpBenchmark
{
    private const int Hidden = 2048;
    private const int Inner = 1408;

    public static void Run(string name, ExpertMlp mlp, ElementFormat format, NativeBuffer memory, WorkerTeam team, double bandwidth, double peak)
    {
        nint matrix = (nint)Hidden * Inner * format.Size();
        int held = (int)nint.Min(memory.Length / (3 * matrix), 16);
        foreach (int m in new[] { 1, 32 })
        {
            using NativeBuffer gateScales = BenchmarkData.Scales(format, Inner, Hidden, out BlockScales inScales);
            using NativeBuffer downScales = BenchmarkData.Scales(format, Hidden, Inner, out BlockScales outScales);
            MlpWeights[] experts = new MlpWeights[held];
            int[] offsets = new int[held + 1];
            for (int e = 0; e < held; e++)
            {
                byte* p = memory.Data + (e * 3 * matrix);
                experts[e] = new MlpWeights(
                    new TensorView(p, format, Inner, Hidden, 0, inScales),
                    new TensorView(p + matrix, format, Inner, Hidden, 0, inScales),
                    new TensorView(p + (2 * matrix), format, Hidden, Inner, 0, outScales));
                offsets[e + 1] = (e + 1) * m;
            }

            using NativeBuffer xs = BenchmarkData.Activations(held * m, Hidden, out TensorView x);
            using NativeBuffer ys = NativeBuffer.ForF32(held * m, Hidden, out TensorView y);
            double seconds = Stopwatches.Best(20, _ => mlp.Run(experts, new ExpertRows(offsets, default), x, y, team));
            double rate = held * 3 * matrix / seconds;
            double flops = 6.0 * held * Hidden * Inner * m / seconds;
            Console.WriteLine(
                $"{name,-7} {format,-8} {held} experts [{Inner}, {Hidden}] rows={m,-3} {rate * 1e-9,7:F2} GB/s {rate / bandwidth,6:P0} of reading {flops * 1e-9,8:F1} GFLOP/s {flops / peak,6:P0} of peak");
        }
    }
}
