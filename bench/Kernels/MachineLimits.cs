using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Benchmarks.Kernels;

/// <summary>What this machine can do at most, measured with the same team in the same run as the kernels: reading memory, and fused multiply-adds.</summary>
internal static unsafe class MachineLimits
{
    private static float s_sink;

    /// <summary>Bytes per second of a sum over one piece after another of a buffer that no cache holds.</summary>
    public static double ReadBandwidth(NativeBuffer buffer, WorkerTeam team)
    {
        const int Piece = 16 << 20;
        int pieces = (int)(buffer.Length / Piece);
        return Piece / Stopwatches.Best(4 * pieces, run => team.Run(new ReadWork(buffer.Data + (run % pieces * (nint)Piece), Piece)));
    }

    /// <summary>Operations (two for each multiply-add and lane) per second of independent chains in registers.</summary>
    public static double PeakFlops(WorkerTeam team, bool wide)
    {
        const int Steps = 100_000;
        double seconds = Stopwatches.Best(50, _ => team.Run(new FmaWork(Steps, wide)));
        return 2.0 * Steps * 12 * (wide ? 16 : 8) * team.Count / seconds;
    }

    private readonly struct ReadWork(byte* data, nint length) : IWork
    {
        public void Run(int worker, int workers)
        {
            nint part = length / workers / 256 * 256;
            byte* p = data + (worker * part);
            byte* end = p + part;
            Vector256<int> a = default, b = default, c = default, d = default;
            for (; p < end; p += 256)
            {
                a += Vector256.Load((int*)p) ^ Vector256.Load((int*)(p + 32));
                b += Vector256.Load((int*)(p + 64)) ^ Vector256.Load((int*)(p + 96));
                c += Vector256.Load((int*)(p + 128)) ^ Vector256.Load((int*)(p + 160));
                d += Vector256.Load((int*)(p + 192)) ^ Vector256.Load((int*)(p + 224));
            }

            s_sink = Vector256.Sum(a + b + c + d);
        }
    }

    private readonly struct FmaWork(int steps, bool wide) : IWork
    {
        public void Run(int worker, int workers) => s_sink = wide ? Wide(steps) : Narrow(steps);

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static float Wide(int steps)
        {
            Vector512<float> m = Vector512.Create(0.5f);
            Vector512<float> a0 = m, a1 = m, a2 = m, a3 = m, a4 = m, a5 = m, a6 = m, a7 = m, a8 = m, a9 = m, a10 = m, a11 = m;
            for (int i = 0; i < steps; i++)
            {
                a0 = Avx512F.FusedMultiplyAdd(a0, m, m);
                a1 = Avx512F.FusedMultiplyAdd(a1, m, m);
                a2 = Avx512F.FusedMultiplyAdd(a2, m, m);
                a3 = Avx512F.FusedMultiplyAdd(a3, m, m);
                a4 = Avx512F.FusedMultiplyAdd(a4, m, m);
                a5 = Avx512F.FusedMultiplyAdd(a5, m, m);
                a6 = Avx512F.FusedMultiplyAdd(a6, m, m);
                a7 = Avx512F.FusedMultiplyAdd(a7, m, m);
                a8 = Avx512F.FusedMultiplyAdd(a8, m, m);
                a9 = Avx512F.FusedMultiplyAdd(a9, m, m);
                a10 = Avx512F.FusedMultiplyAdd(a10, m, m);
                a11 = Avx512F.FusedMultiplyAdd(a11, m, m);
            }

            return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static float Narrow(int steps)
        {
            Vector256<float> m = Vector256.Create(0.5f);
            Vector256<float> a0 = m, a1 = m, a2 = m, a3 = m, a4 = m, a5 = m, a6 = m, a7 = m, a8 = m, a9 = m, a10 = m, a11 = m;
            for (int i = 0; i < steps; i++)
            {
                a0 = Fma.MultiplyAdd(a0, m, m);
                a1 = Fma.MultiplyAdd(a1, m, m);
                a2 = Fma.MultiplyAdd(a2, m, m);
                a3 = Fma.MultiplyAdd(a3, m, m);
                a4 = Fma.MultiplyAdd(a4, m, m);
                a5 = Fma.MultiplyAdd(a5, m, m);
                a6 = Fma.MultiplyAdd(a6, m, m);
                a7 = Fma.MultiplyAdd(a7, m, m);
                a8 = Fma.MultiplyAdd(a8, m, m);
                a9 = Fma.MultiplyAdd(a9, m, m);
                a10 = Fma.MultiplyAdd(a10, m, m);
                a11 = Fma.MultiplyAdd(a11, m, m);
            }

            return Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
        }
    }
}
