using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The exact value of every stored element.</summary>
internal static unsafe class ReferenceWeights
{
    /// <summary>Decodes one row, with its block scales, without any rounding: a scaled FP8 value has 28 significant bits at most.</summary>
    public static void Decode(TensorView source, nint row, double* destination)
    {
        byte* data = source.RowPointer(row);
        for (nint k = 0; k < source.Columns; k++)
        {
            destination[k] = source.Format switch
            {
                ElementFormat.F32 => ((float*)data)[k],
                ElementFormat.F16 => (double)((Half*)data)[k],
                ElementFormat.BF16 => BFloat16.Decode(((ushort*)data)[k]),
                ElementFormat.F8_E4M3 => E4M3.Decode(data[k]),
                _ => throw new ArgumentException($"{source.Format} is no weight format"),
            };
        }

        if (source.Scales.IsPresent)
        {
            float* scales = source.Scales.Row(row);
            for (nint k = 0; k < source.Columns; k++)
            {
                destination[k] *= scales[k / source.Scales.BlockColumns];
            }
        }
    }
}
