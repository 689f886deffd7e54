using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Benchmarks.Kernels;

/// <summary>Projections over matrices that no cache holds (few inputs) and over one of a model's shape (many).</summary>
internal static unsafe class MatMulBenchmark
{
    private const int K = 7168;

    public static void Run(string name, MatMul matMul, ElementFormat format, NativeBuffer memory, WorkerTeam team, double bandwidth, double peak)
    {
        foreach (int m in new[] { 1, 2, 4, 8, 32, 512 })
        {
            nint n = memory.Length / K / format.Size();
            if (m > 8)
            {
                n = nint.Min(n, 2048);
            }

            using NativeBuffer scaleMemory = BenchmarkData.Scales(format, n, K, out BlockScales scales);
            TensorView weights = new(memory.Data, format, n, K, 0, scales);
            using NativeBuffer xs = BenchmarkData.Activations(m, K, out TensorView x);
            using NativeBuffer ys = NativeBuffer.ForF32(m, n, out TensorView y);
            double seconds = Stopwatches.Best(m > 8 ? 3 : 5, () => matMul.Run(weights, x, y, team));
            double rate = weights.ByteLength / seconds;
            double flops = 2.0 * n * K * m / seconds;
            Console.WriteLine(
                $"{name,-7} {format,-8} matmul [{n}, {K}] m={m,-4} {rate * 1e-9,7:F2} GB/s {rate / bandwidth,6:P0} of reading {flops * 1e-9,8:F1} GFLOP/s {flops / peak,6:P0} of peak");
        }
    }
}
