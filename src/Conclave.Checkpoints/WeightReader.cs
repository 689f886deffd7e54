using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>Checks a tensor against what the model needs it to be.</summary>
internal static class WeightReader
{
    public static TensorView Matrix(Checkpoint checkpoint, string name, nint rows, nint columns, CheckpointProblems problems) =>
        Find(checkpoint, name, [rows, columns], problems) is { } tensor && Weights(checkpoint, tensor, 1, rows, problems) is [TensorView matrix] ? matrix : default;

    public static TensorView[] Matrices(Checkpoint checkpoint, string name, nint count, nint rows, nint columns, CheckpointProblems problems) =>
        Find(checkpoint, name, [count, rows, columns], problems) is { } tensor ? Weights(checkpoint, tensor, count, rows, problems) : [];

    public static TensorView Vector(Checkpoint checkpoint, string name, nint length, CheckpointProblems problems)
    {
        if (Find(checkpoint, name, [length], problems) is not { } tensor)
        {
            return default;
        }

        if (tensor.Format is ElementFormat.F32 or ElementFormat.F16 or ElementFormat.BF16)
        {
            return tensor.View;
        }

        problems.Add($"{Where(tensor)} is {tensor.Format}; F32, F16 or BF16 is expected");
        return default;
    }

    private static StoredTensor? Find(Checkpoint checkpoint, string name, ReadOnlySpan<nint> shape, CheckpointProblems problems)
    {
        if (!checkpoint.TryGet(name, out StoredTensor? tensor))
        {
            problems.Add($"tensor \"{name}\" is missing; shape {TensorText.Shape(shape)} is expected");
            return null;
        }

        if (!tensor.Shape.SequenceEqual(shape))
        {
            problems.Add($"{Where(tensor)} has shape {tensor.ShapeText}; {TensorText.Shape(shape)} is expected by config.json");
            return null;
        }

        return tensor;
    }

    // Matrices of so many rows, one after the other, each with its scales. None: there is a problem.
    private static unsafe TensorView[] Weights(Checkpoint checkpoint, StoredTensor tensor, nint count, nint rows, CheckpointProblems problems)
    {
        if (!tensor.Format.IsWeight())
        {
            problems.Add($"{Where(tensor)} is {tensor.Format}; F32, F16, BF16 or F8_E4M3 is expected");
            return [];
        }

        nint columns = tensor.Shape[^1];
        if (ScalesOf(checkpoint, tensor, rows, columns, problems) is not { } scales)
        {
            return [];
        }

        nint bytes = tensor.Bytes / count;
        nint scaleCount = scales.IsPresent ? (((rows - 1) / scales.BlockRows) + 1) * scales.Columns : 0;
        TensorView[] matrices = new TensorView[count];
        for (int i = 0; i < matrices.Length; i++)
        {
            BlockScales own = scales.IsPresent ? new BlockScales(scales.Data + (i * scaleCount), scales.Columns, scales.BlockRows, scales.BlockColumns) : default;
            matrices[i] = new TensorView(tensor.Data + (i * bytes), tensor.Format, rows, columns, scales: own);
        }

        return matrices;
    }

    // Null: there is a problem. The default value: the tensor needs no scales.
    private static unsafe BlockScales? ScalesOf(
        Checkpoint checkpoint, StoredTensor tensor, nint rows, nint columns, CheckpointProblems problems)
    {
        string name = ScaleNames.Of(tensor.Name, scale => checkpoint.TryGet(scale, out _));
        bool isFp8 = tensor.Format == ElementFormat.F8_E4M3;
        if (!isFp8 || checkpoint.Config.ScaleBlock is not { } block)
        {
            if (!checkpoint.TryGet(name, out _))
            {
                return default(BlockScales);
            }

            problems.Add(isFp8
                ? $"{Where(tensor)} has scales \"{name}\", but config.json has no quantization_config that says how they apply"
                : $"{Where(tensor)} is {tensor.Format} but has scales \"{name}\"; F8_E4M3 is expected beside scales");
            return null;
        }

        (nint blockRows, nint blockColumns) = (nint.Min(block.Rows, rows), nint.Min(block.Columns, columns));
        bool isStack = tensor.Shape.Length == 3;
        nint scaleRows = ((rows - 1) / blockRows) + 1;
        nint scaleColumns = ((columns - 1) / blockColumns) + 1;
        ReadOnlySpan<nint> shape = isStack ? [tensor.Shape[0], scaleRows, scaleColumns] : [scaleRows, scaleColumns];
        if (!isStack && checkpoint.TryGet(name, out StoredTensor? single) && IsSingle(single))
        {
            // Whatever blocks config.json names: AutoFP8 names none.
            (blockRows, blockColumns, scaleColumns) = (rows, columns, 1);
            shape = single.Shape;
        }

        if (Find(checkpoint, name, shape, problems) is not { } scales)
        {
            return null;
        }

        float* values;
        Action? widen = null;
        switch (scales.Format)
        {
            case ElementFormat.F32:
                values = (float*)scales.Data;
                break;
            case ElementFormat.F16 or ElementFormat.BF16 or ElementFormat.F8_E8M0:
                values = checkpoint.WidenedScales.Get(scales, out widen);
                break;
            default:
                problems.Add($"{Where(scales)} is {scales.Format}; F32, F16, BF16 or F8_E8M0 is expected");
                return null;
        }

        problems.Defer(() =>
        {
            widen?.Invoke();
            return CheckScales(scales, values, scaleColumns);
        });
        return new BlockScales(values, scaleColumns, (int)blockRows, (int)blockColumns);
    }

    private static bool IsSingle(StoredTensor scales) => scales.Bytes == scales.Format.Size();

    private static unsafe string? CheckScales(StoredTensor scales, float* values, nint columns)
    {
        nint count = scales.Bytes / scales.Format.Size();
        for (nint i = 0; i < count; i++)
        {
            // False for NaN as well.
            if (!(values[i] >= 0 && values[i] <= float.MaxValue))
            {
                return $"{Where(scales)} holds {values[i]} at [{i / columns}, {i % columns}]; a finite scale that is not negative is expected";
            }
        }

        return null;
    }

    private static string Where(StoredTensor tensor) => $"tensor \"{tensor.Name}\" of {Path.GetFileName(tensor.File.Path)}";
}
