using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>The exact value of every stored element.</summary>
internal static unsafe class ReferenceWeights
{
    private static readonly float[] E4M3Values = [.. Enumerable.Range(0, 256).Select(code => E4M3.Decode((byte)code))];

    /// <summary>Decodes one row, with its block scales, without any rounding: a scaled FP8 value has 28 significant bits at most.</summary>
    public static void Decode(TensorView source, nint row, double* destination)
    {
        byte* data = source.RowPointer(row);
        switch (source.Format)
        {
            case ElementFormat.F32:
                for (nint k = 0; k < source.Columns; k++)
                {
                    destination[k] = ((float*)data)[k];
                }

                break;
            case ElementFormat.F16:
                for (nint k = 0; k < source.Columns; k++)
                {
                    destination[k] = (double)((Half*)data)[k];
                }

                break;
            case ElementFormat.BF16:
                for (nint k = 0; k < source.Columns; k++)
                {
                    destination[k] = BFloat16.Decode(((ushort*)data)[k]);
                }

                break;
            case ElementFormat.F8_E4M3:
                ReadOnlySpan<float> values = E4M3Values;
                for (nint k = 0; k < source.Columns; k++)
                {
                    destination[k] = values[data[k]];
                }

                break;
            default:
                throw new ArgumentException($"{source.Format} is no weight format");
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
