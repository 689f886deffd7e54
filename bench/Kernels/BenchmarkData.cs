using Conclave.Primitives;

namespace Conclave.Benchmarks.Kernels;

/// <summary>Weights and activations with the statistics of real ones, as far as time depends on them.</summary>
internal static unsafe class BenchmarkData
{
    /// <summary>
    /// Fills memory with weights: E4M3 codes of every magnitude below 2, subnormals among them; in the other formats values of either sign whose upper
    /// byte lies in 0x38 … 0x3E (F32 and BF16: 2^-15 … 1, F16: 0.5 … 2).
    /// </summary>
    public static void Fill(NativeBuffer memory, ElementFormat format)
    {
        (ulong keep, ulong set) = format switch
        {
            ElementFormat.F8_E4M3 => (0xBFBFBFBFBFBFBFBFul, 0ul),
            ElementFormat.F32 => (0x86FFFFFF86FFFFFFul, 0x3800000038000000ul),
            _ => (0x86FF86FF86FF86FFul, 0x3800380038003800ul),
        };
        ulong state = 0x9E3779B97F4A7C15;
        for (ulong* p = (ulong*)memory.Data; p < (ulong*)(memory.Data + memory.Length); p++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *p = (state & keep) | set;
        }
    }

    /// <summary>Activations in −1 … 1.</summary>
    public static NativeBuffer Activations(nint rows, nint columns, out TensorView view)
    {
        NativeBuffer buffer = NativeBuffer.ForF32(rows, columns, out view);
        Random random = new(1);
        for (nint i = 0; i < rows * columns; i++)
        {
            ((float*)buffer.Data)[i] = (random.NextSingle() * 2) - 1;
        }

        return buffer;
    }

    /// <summary>Scales of 128 × 128 blocks for an FP8 matrix.</summary>
    public static NativeBuffer Scales(ElementFormat format, nint rows, nint columns, out BlockScales scales)
    {
        const int Block = 128;
        nint scaleColumns = (columns + Block - 1) / Block;
        NativeBuffer buffer = NativeBuffer.ForF32((rows + Block - 1) / Block, scaleColumns, out TensorView view);
        for (nint row = 0; row < view.Rows; row++)
        {
            view.RowF32(row).Fill(1e-3f);
        }

        scales = format == ElementFormat.F8_E4M3 ? new BlockScales((float*)buffer.Data, scaleColumns, Block, Block) : default;
        return buffer;
    }
}
