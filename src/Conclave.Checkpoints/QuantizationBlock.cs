using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>The <c>quantization_config</c> of a checkpoint whose FP8 weights have one scale per block.</summary>
internal static class QuantizationBlock
{
    private const int ReleasedBlock = 128;

    public static (int Rows, int Columns)? Read(JsonCursor root)
    {
        if (root.Optional("quantization_config") is not { } quantization)
        {
            return root.Optional("compression_config") is { } compression
                ? throw compression.Error("this quantization is not supported yet; only FP8 E4M3 with block scales is")
                : null;
        }

        JsonCursor method = quantization.Required("quant_method");
        if (method.String() != "fp8")
        {
            throw method.Error($"{method.Describe()} is not supported yet by this version; \"fp8\" with block scales, or no quantization, is expected");
        }

        if (quantization.Optional("fmt") is { } format && format.String() != "e4m3")
        {
            throw format.Error($"{format.Describe()} is not supported; \"e4m3\" is expected");
        }

        if (!quantization.Has("weight_block_size"))
        {
            return (ReleasedBlock, ReleasedBlock);
        }

        if (quantization.Optional("weight_block_size") is not { } block)
        {
            throw quantization.Error("weight_block_size is null: one scale for a whole tensor is not supported yet; [rows, columns] is expected");
        }

        int[] sides = [.. block.Items().Take(3).Select(side => side.Int32(1, 1 << 16))];
        return sides.Length == 2
            ? (sides[0], sides[1])
            : throw block.Error($"{block.Describe()}; two numbers, [rows, columns], are expected");
    }
}
