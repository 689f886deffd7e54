using System.Diagnostics;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>One operator on one shape.</summary>
/// <param name="Operator">"matmul": [Rows, Columns] times inputs. "experts": MLPs of that shape, each with that many inputs.</param>
/// <param name="Format">How weights are stored.</param>
/// <param name="Rows">Weight rows; the inner width of an expert.</param>
/// <param name="Columns">Weight columns; the hidden size.</param>
/// <param name="Inputs">Input rows, of each expert.</param>
public readonly record struct KernelCase(string Operator, ElementFormat Format, int Rows, int Columns, int Inputs);

/// <summary>A timed case.</summary>
/// <param name="Case">What was run.</param>
/// <param name="Seconds">Median time of a call.</param>
/// <param name="Limits">The machine at that time.</param>
/// <param name="Bytes">Bytes of weights that a call reads.</param>
/// <param name="Flops">Operations of a call.</param>
/// <param name="ReferenceSeconds">What the scalar reference would take, from a slice of it.</param>
public sealed record KernelSample(KernelCase Case, double Seconds, MachineLimits Limits, double Bytes, double Flops, double ReferenceSeconds)
{
    /// <summary>What the call needs at least, as a share of its time.</summary>
    public double RooflineShare => Limits.Roofline(Bytes, Flops) / Seconds;
}

/// <summary>Times single operators on weights that no cache holds: each call takes the next piece of a large buffer.</summary>
public sealed unsafe class KernelBenchmark : IDisposable
{
    /// <summary>As many as a token or two choose, or as fit the buffer.</summary>
    private const int Experts = 16;

    private const int Block = 128;
    private const int SliceRows = 16;
    private const nint BufferBytes = 256 << 20;

    private readonly NativeBuffer _weights = new(BufferBytes);
    private readonly KernelSet _kernels;
    private readonly WorkerTeam _team;
    private readonly MachineProbe _probe;
    private ElementFormat? _filled;

    /// <summary>Allocates the weights.</summary>
    public KernelBenchmark(KernelSet kernels, WorkerTeam team)
    {
        _kernels = kernels;
        _team = team;
        _probe = new MachineProbe(kernels);
    }

    /// <summary>
    /// The shapes of DeepSeek-V2-Lite (query projection, experts) and V3 (query down-projection, one expert's gate) in the formats of weights.
    /// </summary>
    public static IEnumerable<KernelCase> Cases()
    {
        foreach (ElementFormat format in new[] { ElementFormat.F8_E4M3, ElementFormat.BF16, ElementFormat.F16, ElementFormat.F32 })
        {
            foreach ((int rows, int columns) in new[] { (3072, 2048), (1536, 7168), (2048, 7168) })
            {
                foreach (int inputs in new[] { 1, 2, 4, 8, 16, 64, 512 })
                {
                    yield return new KernelCase("matmul", format, rows, columns, inputs);
                }
            }

            foreach (int inputs in new[] { 1, 4, 32 })
            {
                yield return new KernelCase("experts", format, 1408, 2048, inputs);
            }
        }
    }

    /// <summary>Times a case.</summary>
    /// <param name="kernel">What to run.</param>
    /// <param name="runs">Calls of which the median is taken.</param>
    public KernelSample Run(KernelCase kernel, int runs)
    {
        Fill(kernel.Format);
        using NativeBuffer scaleMemory = Scales(kernel, out Func<nint, nint, BlockScales> scales);
        nint matrixBytes = (nint)kernel.Rows * kernel.Columns * kernel.Format.Size();
        int experts = kernel.Operator == "matmul" ? 1 : (int)nint.Min(Experts, BufferBytes / (3 * matrixBytes));
        int matrices = kernel.Operator == "matmul" ? 1 : 3 * experts;
        nint piece = matrices * matrixBytes;
        int pieces = (int)(BufferBytes / piece);
        int inputRows = kernel.Inputs * experts;
        int outputColumns = kernel.Operator == "matmul" ? kernel.Rows : kernel.Columns;
        using NativeBuffer inputMemory = NativeBuffer.ForF32(inputRows, kernel.Columns, out TensorView input);
        using NativeBuffer outputMemory = NativeBuffer.ForF32(inputRows, outputColumns, out TensorView output);
        Random random = new(1);
        for (nint row = 0; row < input.Rows; row++)
        {
            foreach (ref float x in input.RowF32(row))
            {
                x = (random.NextSingle() * 2) - 1;
            }
        }

        MlpWeights[] mlps = new MlpWeights[experts];
        int[] offsets = [.. Enumerable.Range(0, experts + 1).Select(expert => expert * kernel.Inputs)];
        double[] seconds = new double[runs];
        MachineLimits before = _probe.Measure(_team);
        for (int run = -1; run < runs; run++)
        {
            byte* data = _weights.Data + ((run + 1) % pieces * piece);
            long start = Stopwatch.GetTimestamp();
            if (kernel.Operator == "matmul")
            {
                _kernels.MatMul.Run(Matrix(data, kernel.Rows, kernel.Columns), input, output, _team);
            }
            else
            {
                for (int expert = 0; expert < experts; expert++)
                {
                    byte* gate = data + (3 * expert * matrixBytes);
                    mlps[expert] = new MlpWeights(
                        Matrix(gate, kernel.Rows, kernel.Columns),
                        Matrix(gate + matrixBytes, kernel.Rows, kernel.Columns),
                        Matrix(gate + (2 * matrixBytes), kernel.Columns, kernel.Rows));
                }

                start = Stopwatch.GetTimestamp();
                _kernels.ExpertMlp.Run(mlps, new ExpertRows(offsets, []), input, output, _team);
            }

            if (run >= 0)
            {
                seconds[run] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }

        MachineLimits after = _probe.Measure(_team);
        Array.Sort(seconds);
        double flops = 2.0 * matrices * kernel.Rows * kernel.Columns * kernel.Inputs;
        return new KernelSample(
            kernel, seconds[runs / 2], MachineLimits.Mean(before, after), piece, flops, flops * ReferenceSecondsPerFlop(kernel, input.SliceRows(0, 1), scales));

        TensorView Matrix(byte* data, nint rows, nint columns) => new(data, kernel.Format, rows, columns, 0, scales(rows, columns));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _probe.Dispose();
        _weights.Dispose();
    }

    /// <summary>The reference's time for some weight rows and one input, on one thread like all of the reference.</summary>
    private double ReferenceSecondsPerFlop(KernelCase kernel, TensorView input, Func<nint, nint, BlockScales> scales)
    {
        using WorkerTeam alone = new(1);
        using NativeBuffer outputMemory = NativeBuffer.ForF32(1, SliceRows, out TensorView output);
        TensorView slice = new(_weights.Data, kernel.Format, SliceRows, kernel.Columns, 0, scales(SliceRows, kernel.Columns));
        double best = double.PositiveInfinity;
        for (int run = 0; run < 5; run++)
        {
            long start = Stopwatch.GetTimestamp();
            KernelSet.Supported[0].MatMul.Run(slice, input, output, alone);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best / (2.0 * SliceRows * kernel.Columns);
    }

    /// <summary>One row of scales serves every matrix: their values do not change the time.</summary>
    private static NativeBuffer Scales(KernelCase kernel, out Func<nint, nint, BlockScales> scales)
    {
        nint longest = Math.Max(kernel.Rows, kernel.Columns);
        nint side = (longest + Block - 1) / Block;
        NativeBuffer memory = NativeBuffer.ForF32(side, side, out TensorView view);
        for (nint row = 0; row < side; row++)
        {
            view.RowF32(row).Fill(1e-3f);
        }

        bool scaled = kernel.Format == ElementFormat.F8_E4M3;
        scales = (_, columns) => scaled ? new BlockScales((float*)view.Data, (columns + Block - 1) / Block, Block, Block) : default;
        return memory;
    }

    /// <summary>
    /// Weights with the statistics of released ones, as far as time depends on them: normally distributed, and in FP8 scaled so that a subnormal code comes
    /// once in thousands.
    /// </summary>
    private void Fill(ElementFormat format)
    {
        if (_filled == format)
        {
            return;
        }

        const int Period = 1 << 20;
        Random random = new(1);
        for (nint i = 0; i < Period; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            switch (format)
            {
                case ElementFormat.F8_E4M3:
                    _weights.Data[i] = E4M3.Encode((float)Math.Clamp(normal * 90, -448, 448));
                    break;
                case ElementFormat.BF16:
                    ((ushort*)_weights.Data)[i] = BFloat16.Encode((float)normal * 0.02f);
                    break;
                case ElementFormat.F16:
                    ((Half*)_weights.Data)[i] = (Half)(normal * 0.02);
                    break;
                default:
                    ((float*)_weights.Data)[i] = (float)normal * 0.02f;
                    break;
            }
        }

        nint bytes = Period * (nint)format.Size();
        for (nint offset = bytes; offset < BufferBytes; offset += bytes)
        {
            Buffer.MemoryCopy(_weights.Data, _weights.Data + offset, BufferBytes - offset, nint.Min(bytes, BufferBytes - offset));
        }

        _filled = format;
    }
}
