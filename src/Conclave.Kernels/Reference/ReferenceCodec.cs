using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>Between stored elements and binary32, the scalar reference.</summary>
public sealed unsafe class ReferenceCodec : Codec
{
    /// <inheritdoc/>
    public override void Decode(TensorView source, nint row, Span<float> destination)
    {
        OperatorShapes.Decode(source, row, destination);
        byte* data = source.RowPointer(row);
        float* scales = source.Scales.IsPresent ? source.Scales.Row(row) : null;
        for (int k = 0; k < (int)source.Columns; k++)
        {
            float value = source.Format switch
            {
                ElementFormat.F32 => ((float*)data)[k],
                ElementFormat.F16 => (float)((Half*)data)[k],
                ElementFormat.BF16 => BFloat16.Decode(((ushort*)data)[k]),
                _ => E4M3.Decode(data[k]),
            };
            destination[k] = scales is null ? value : value * scales[k / source.Scales.BlockColumns];
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> source, ElementFormat format, byte* destination)
    {
        for (int k = 0; k < source.Length; k++)
        {
            switch (format)
            {
                case ElementFormat.F32:
                    ((float*)destination)[k] = source[k];
                    break;
                case ElementFormat.F16:
                    ((Half*)destination)[k] = (Half)source[k];
                    break;
                case ElementFormat.BF16:
                    ((ushort*)destination)[k] = BFloat16.Encode(source[k]);
                    break;
                default:
                    throw new ArgumentException($"cannot encode {format}; only F32, F16 and BF16 are written");
            }
        }
    }

    /// <inheritdoc/>
    public override void EncodeE4M3(ReadOnlySpan<float> source, byte* codes, float* scales)
    {
        for (int first = 0; first < source.Length; first += ScaleBlock)
        {
            ReadOnlySpan<float> block = source[first..Math.Min(first + ScaleBlock, source.Length)];
            float largest = 0;
            foreach (float value in block)
            {
                float magnitude = MathF.Abs(value);
                largest = magnitude > largest ? magnitude : largest;
            }

            float scale = largest / E4M3.MaxValue;
            scale = scale == 0 ? 1f : scale;
            scales[first / ScaleBlock] = scale;
            for (int k = 0; k < block.Length; k++)
            {
                codes[first + k] = E4M3.Encode(block[k] / scale);
            }
        }
    }
}
