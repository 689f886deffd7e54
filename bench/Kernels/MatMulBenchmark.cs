using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Benchmarks.Kernels;

/// <summary>Projections of few inputs, each call with weights that no cache holds, and of many.</summary>
internal static unsafe class MatMulBenchmark
{
    private const int K = 7168;
    private const int Piece = 16 << 20;

    public static void Run(string name, MatMul matMul, ElementFormat format, NativeBuffer memory, WorkerTeam team, double bandwidth, double peak)
    {
        foreach (int m in new[] { 1, 2, 4, 8, 32, 96, 512 })
        {
            // Sixteen megabytes for each call, or as many rows as take a few milliseconds.
            nint n = m > 32 ? 64 : m > 8 ? 256 : Piece / K / format.Size();
            nint piece = n * K * format.Size();
            int pieces = (int)(memory.Length / piece);
            using NativeBuffer scaleMemory = BenchmarkData.Scales(format, n, K, out BlockScales scales);
            using NativeBuffer xs = BenchmarkData.Activations(m, K, out TensorView x);
            using NativeBuffer ys = NativeBuffer.ForF32(m, n, out TensorView y);
            double seconds = Stopwatches.Best(
                60, run => matMul.Run(new TensorView(memory.Data + (run % pieces * piece), format, n, K, 0, scales), x, y, team));
            double rate = piece / seconds;
            double flops = 2.0 * n * K * m / seconds;
            Console.WriteLine(
                $"{name,-7} {format,-8} matmul [{n}, {K}] m={m,-4} {rate * 1e-9,7:F2} GB/s {rate / bandwidth,6:P0} of reading {flops * 1e-9,8:F1} GFLOP/s {flops / peak,6:P0} of peak");
        }
    }
}
