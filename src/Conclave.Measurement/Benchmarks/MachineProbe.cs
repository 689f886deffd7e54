using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>What a machine can do at most with a team: bytes read from memory and binary32 operations, each for a second.</summary>
/// <param name="Bandwidth">Bytes per second of a sequential read that no cache helps.</param>
/// <param name="Peak">Operations per second of fused multiply-adds in registers, two for each.</param>
public readonly record struct MachineLimits(double Bandwidth, double Peak)
{
    /// <summary>Seconds that an operator needs at least, by the roofline model (Williams, Waterman and Patterson 2009): max(bytes ÷ bandwidth, operations ÷ peak).</summary>
    public double Roofline(OperatorCost cost) => Math.Max(cost.Bytes / Bandwidth, cost.Flops / Peak);

    /// <summary>The mean of two measurements.</summary>
    public static MachineLimits Mean(MachineLimits a, MachineLimits b) => new((a.Bandwidth + b.Bandwidth) / 2, (a.Peak + b.Peak) / 2);
}

/// <summary>
/// Measures the limits of the machine with the team that also runs the kernels. Machines with neighbours change their speed from one second to the next:
/// callers measure right before and after what they compare. Under a quota of the processor's time they are those between two pauses, since each measurement is far shorter than the
/// period after which a quota begins anew (commonly 100 ms): what runs for longer reaches quota ÷ threads of them at most.
/// </summary>
public sealed unsafe class MachineProbe : IDisposable
{
    /// <summary>Several times what the last-level cache holds for one tenant.</summary>
    private const nint BufferBytes = 512 << 20;

    /// <summary>The median of that many short measurements is what the machine can keep up; the best of them would be a moment without neighbours.</summary>
    private const int Pieces = 16;

    private const int PrefetchDistance = 2048;
    private const int FmaSteps = 200_000;
    private const int Chains = 12;

    private static float s_sink;

    private readonly NativeBuffer _buffer = new(BufferBytes);
    private readonly bool _wide;

    /// <summary>Prepares memory to read.</summary>
    /// <param name="kernels">Multiply-adds are measured in the widest vectors that these use; for the reference, in the widest that the machine has by default.</param>
    public MachineProbe(KernelSet kernels)
    {
        _wide = kernels.Name == "avx512";

        // Pages that were never written are all the same page of zeros, which a cache holds.
        for (nint i = 0; i < BufferBytes; i += sizeof(long))
        {
            *(long*)(_buffer.Data + i) = i;
        }
    }

    /// <summary>Measures both limits; takes about a fifth of a second where memory is quick.</summary>
    public MachineLimits Measure(WorkerTeam team) => new(ReadBandwidth(team), PeakFlops(team));

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    /// <summary>The faster of two ways to read: in plain order, and asking for lines ahead, which is faster where memory answers late.</summary>
    private double ReadBandwidth(WorkerTeam team) => Math.Max(ReadBandwidth(team, ahead: 0), ReadBandwidth(team, PrefetchDistance));

    private double ReadBandwidth(WorkerTeam team, int ahead) =>
        BufferBytes / Pieces / Median(Pieces, piece => team.Run(new ReadWork(_buffer.Data + (piece * (BufferBytes / Pieces)), BufferBytes / Pieces, ahead)));

    private double PeakFlops(WorkerTeam team) =>
        2.0 * FmaSteps * Chains * (_wide ? Vector512<float>.Count : Vector<float>.Count) * team.Count / Median(Pieces, _ => team.Run(new FmaWork(_wide)));

    private static double Median(int runs, Action<int> action)
    {
        double[] seconds = new double[runs];
        for (int run = 0; run < runs; run++)
        {
            long start = Stopwatch.GetTimestamp();
            action(run);
            seconds[run] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return RunRatio.MedianOf(seconds);
    }

    private readonly struct ReadWork(byte* data, nint length, int ahead) : IWork
    {
        public void Run(int worker, int workers)
        {
            const int Stride = 256;
            nint part = length / workers / Stride * Stride;
            byte* p = data + (worker * part);
            byte* end = p + part;
            Vector256<int> a = default, b = default, c = default, d = default;
            for (; p < end; p += Stride)
            {
                if (ahead > 0 && Sse.IsSupported)
                {
                    Sse.Prefetch0(p + ahead);
                    Sse.Prefetch0(p + ahead + 64);
                    Sse.Prefetch0(p + ahead + 128);
                    Sse.Prefetch0(p + ahead + 192);
                }

                a += Vector256.Load((int*)p) ^ Vector256.Load((int*)(p + 32));
                b += Vector256.Load((int*)(p + 64)) ^ Vector256.Load((int*)(p + 96));
                c += Vector256.Load((int*)(p + 128)) ^ Vector256.Load((int*)(p + 160));
                d += Vector256.Load((int*)(p + 192)) ^ Vector256.Load((int*)(p + 224));
            }

            s_sink = Vector256.Sum(a + b + c + d);
        }
    }

    private readonly struct FmaWork(bool wide) : IWork
    {
        public void Run(int worker, int workers) => s_sink = wide ? Wide() : Native();

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static float Wide()
        {
            Vector512<float> m = Vector512.Create(0.5f);
            Vector512<float> a0 = m, a1 = m, a2 = m, a3 = m, a4 = m, a5 = m, a6 = m, a7 = m, a8 = m, a9 = m, a10 = m, a11 = m;
            for (int i = 0; i < FmaSteps; i++)
            {
                a0 = Vector512.FusedMultiplyAdd(a0, m, m);
                a1 = Vector512.FusedMultiplyAdd(a1, m, m);
                a2 = Vector512.FusedMultiplyAdd(a2, m, m);
                a3 = Vector512.FusedMultiplyAdd(a3, m, m);
                a4 = Vector512.FusedMultiplyAdd(a4, m, m);
                a5 = Vector512.FusedMultiplyAdd(a5, m, m);
                a6 = Vector512.FusedMultiplyAdd(a6, m, m);
                a7 = Vector512.FusedMultiplyAdd(a7, m, m);
                a8 = Vector512.FusedMultiplyAdd(a8, m, m);
                a9 = Vector512.FusedMultiplyAdd(a9, m, m);
                a10 = Vector512.FusedMultiplyAdd(a10, m, m);
                a11 = Vector512.FusedMultiplyAdd(a11, m, m);
            }

            return Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static float Native()
        {
            Vector<float> m = new(0.5f);
            Vector<float> a0 = m, a1 = m, a2 = m, a3 = m, a4 = m, a5 = m, a6 = m, a7 = m, a8 = m, a9 = m, a10 = m, a11 = m;
            for (int i = 0; i < FmaSteps; i++)
            {
                a0 = Vector.FusedMultiplyAdd(a0, m, m);
                a1 = Vector.FusedMultiplyAdd(a1, m, m);
                a2 = Vector.FusedMultiplyAdd(a2, m, m);
                a3 = Vector.FusedMultiplyAdd(a3, m, m);
                a4 = Vector.FusedMultiplyAdd(a4, m, m);
                a5 = Vector.FusedMultiplyAdd(a5, m, m);
                a6 = Vector.FusedMultiplyAdd(a6, m, m);
                a7 = Vector.FusedMultiplyAdd(a7, m, m);
                a8 = Vector.FusedMultiplyAdd(a8, m, m);
                a9 = Vector.FusedMultiplyAdd(a9, m, m);
                a10 = Vector.FusedMultiplyAdd(a10, m, m);
                a11 = Vector.FusedMultiplyAdd(a11, m, m);
            }

            return Vector.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
        }
    }
}
