using System.Diagnostics;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>Which operator is measured, and on what.</summary>
/// <param name="Operator">The operator.</param>
/// <param name="Format">How what it reads is stored: weights, in attention latents.</param>
/// <param name="Shape">Dimensions, or whose they are.</param>
/// <param name="Inputs">Input rows; of experts, of each.</param>
public readonly record struct KernelName(string Operator, ElementFormat Format, string Shape, int Inputs)
{
    /// <summary>For people: "matmul BF16 [3072, 2048] × 16".</summary>
    public string Label => $"{Operator} {Format} {Shape} × {Inputs}";
}

/// <summary>Calls of an operator.</summary>
/// <param name="Runs">Seconds of each call.</param>
/// <param name="Cost">What a call has to do.</param>
/// <param name="Sequential">The same of its parts one after the other, called in turn with it, where it is an operator that fuses some.</param>
public readonly record struct KernelTimes(double[] Runs, OperatorCost Cost, double[]? Sequential = null);

/// <summary>One operator on one shape.</summary>
/// <param name="name">What it is called.</param>
public abstract class KernelCase(KernelName name)
{
    /// <summary>What is measured.</summary>
    public KernelName Name => name;

    /// <summary>A small case of the operator, of which the scalar reference needs as long for each operation.</summary>
    public abstract KernelCase Slice { get; }

    /// <summary>Calls the operator, once more than is counted, each time on memory that no cache holds.</summary>
    /// <param name="kernels">The instruction set.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="weights">Where such memory comes from.</param>
    /// <param name="runs">Calls that are counted.</param>
    /// <param name="cancellation">Looked at before each call.</param>
    public abstract KernelTimes Time(KernelSet kernels, WorkerTeam team, ColdWeights weights, int runs, CancellationToken cancellation);

    /// <summary>Seconds of each call after the first.</summary>
    /// <param name="runs">How many.</param>
    /// <param name="next">What comes before each call and is not timed.</param>
    /// <param name="call">The call.</param>
    /// <param name="cancellation">Looked at before each of them.</param>
    protected static double[] Time(int runs, Action next, Action call, CancellationToken cancellation) => Time(runs, next, [call], cancellation)[0];

    /// <summary>The same of several calls that take turns.</summary>
    protected static double[][] Time(int runs, Action next, Action[] calls, CancellationToken cancellation)
    {
        double[][] seconds = new double[calls.Length][];
        for (int call = 0; call < calls.Length; call++)
        {
            seconds[call] = new double[runs];
        }

        for (int run = -1; run < runs; run++)
        {
            for (int call = 0; call < calls.Length; call++)
            {
                cancellation.ThrowIfCancellationRequested();
                next();
                long start = Stopwatch.GetTimestamp();
                calls[call]();
                if (run >= 0)
                {
                    seconds[call][run] = Stopwatch.GetElapsedTime(start).TotalSeconds;
                }
            }
        }

        return seconds;
    }

    /// <summary>Activations, −1 … 1.</summary>
    protected static NativeBuffer Activations(nint rows, nint columns, out TensorView view)
    {
        NativeBuffer buffer = NativeBuffer.ForF32(rows, columns, out view);
        Random random = new(1);
        for (nint row = 0; row < rows; row++)
        {
            foreach (ref float x in view.RowF32(row))
            {
                x = (random.NextSingle() * 2) - 1;
            }
        }

        return buffer;
    }
}
