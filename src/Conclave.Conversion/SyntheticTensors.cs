using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Conversion;

/// <summary>
/// Formats and distributions of random tensors, by what a tensor does. Projections have the deviation 1 / √fan-in, so that their outputs
/// are as large as their inputs and activations stay finite through any number of layers.
/// </summary>
internal sealed class SyntheticTensors(ModelConfig config, ElementFormat format, ulong seed)
{
    /// <summary>
    /// Deviation of FP8 codes: releases scale each block's largest weight to 448, and the largest of 128 × 128 normal numbers is about
    /// 4.2 deviations.
    /// </summary>
    private const float CodeDeviation = E4M3.MaxValue / 4.2f;

    private readonly Dictionary<(ElementFormat Format, float Mean, float Deviation), GaussianTable> _tables = [];

    /// <summary>All tensors of the model, an FP8 matrix' scales behind it.</summary>
    public IEnumerable<SyntheticTensor> All()
    {
        foreach (LayoutTensor tensor in ReleasedLayout.Tensors(config))
        {
            yield return Tensor(tensor, FanInDeviation(tensor));
            if (tensor.Role == TensorRole.Projection && config.ScaleBlock is { } block)
            {
                string name = tensor.Name.Replace(".weight", ".weight_scale_inv", StringComparison.Ordinal);
                LayoutTensor scales = new(
                    name, TensorRole.BlockScales, ((tensor.Rows - 1) / block.Rows) + 1, ((tensor.Columns - 1) / block.Columns) + 1, name);
                yield return Tensor(scales, FanInDeviation(tensor) / CodeDeviation);
            }
        }
    }

    private static float FanInDeviation(LayoutTensor tensor) => 1 / MathF.Sqrt(tensor.FanIn);

    private SyntheticTensor Tensor(LayoutTensor tensor, float deviation)
    {
        ElementFormat unquantized = format == ElementFormat.F8_E4M3 ? ElementFormat.BF16 : format;
        (ElementFormat stored, float mean, float spread) = tensor.Role switch
        {
            TensorRole.Projection when format == ElementFormat.F8_E4M3 => (format, 0, CodeDeviation),
            TensorRole.Projection or TensorRole.UnquantizedProjection => (unquantized, 0, deviation),
            TensorRole.Embedding => (unquantized, 0, 0.02f),
            TensorRole.Norm => (unquantized, 1, 0.02f),
            TensorRole.CorrectionBias => (ElementFormat.F32, 0, 0.01f),
            _ => (ElementFormat.F32, deviation, 0.1f * deviation),
        };

        if (!_tables.TryGetValue((stored, mean, spread), out GaussianTable? table))
        {
            table = new GaussianTable(stored, mean, spread);
            _tables.Add((stored, mean, spread), table);
        }

        nint[] shape = tensor.Columns == 0 ? [tensor.Rows] : [tensor.Rows, tensor.Columns];
        return new SyntheticTensor(new TensorDeclaration(tensor.Name, stored, shape), Key(tensor.ContentName), table);
    }

    /// <summary>A tensor's stream of random numbers: FNV-1a over the name's UTF-16 units, mixed with the seed.</summary>
    private ulong Key(string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in name)
        {
            hash = (hash ^ c) * 0x100000001B3;
        }

        return SplitMix64.Mix(hash ^ SplitMix64.At(seed, 0));
    }
}
