using System.Globalization;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Which weights share a scale, from the <c>quantization_config</c> of a checkpoint in FP8: as DeepSeek and AutoFP8 write it (quant_method fp8), or compressed-tensors. Which matrices are
/// FP8 is said by their tensors. How inputs would be quantized is not read: they are not.
/// </summary>
internal static class QuantizationBlock
{
    private const int ReleasedBlock = 128;

    /// <summary>No matrix has a longer side.</summary>
    private const int Whole = 1 << 24;

    private static readonly (int Rows, int Columns) WholeMatrix = (Whole, Whole);

    public static (int Rows, int Columns)? Read(JsonCursor root)
    {
        if ((root.Optional("quantization_config") ?? root.Optional("quantization")) is not { } quantization)
        {
            return root.Optional("compression_config") is { } compression
                ? throw compression.Error("this quantization is not supported yet; quantization_config with FP8 E4M3 weights is expected")
                : null;
        }

        if (!quantization.Has("quant_method") && quantization.Optional("bits") is { } bits)
        {
            throw quantization.Error($"MLX's weights of {bits.Describe()} bits are not supported; the model as it was before it was quantized, or in FP8, is expected");
        }

        JsonCursor method = quantization.Required("quant_method");
        return method.String() switch
        {
            "fp8" => Fp8(quantization),
            "compressed-tensors" => CompressedTensors(quantization),
            _ => throw method.Error(
                $"{method.Describe()} is not supported yet by this version; \"fp8\", \"compressed-tensors\" with FP8 weights, or no quantization, is expected"),
        };
    }

    private static (int Rows, int Columns) Fp8(JsonCursor quantization)
    {
        if (quantization.Optional("fmt") is { } format && format.String() != "e4m3")
        {
            throw format.Error($"{format.Describe()} is not supported; \"e4m3\" is expected");
        }

        if (quantization.Optional("weight_block_size") is { } block)
        {
            return Sides(block, [.. block.Items().Take(3).Select(side => side.Int32(1, Whole))]);
        }

        // Inputs that have one scale for all of a matrix go with weights that have.
        return quantization.Has("weight_block_size") || quantization.Optional("activation_scheme")?.String() == "static"
            ? WholeMatrix
            : (ReleasedBlock, ReleasedBlock);
    }

    private static (int Rows, int Columns) CompressedTensors(JsonCursor quantization)
    {
        RefuseOtherFormat(quantization);
        if (quantization.Optional("sparsity_config")?.Optional("format") is { } sparsity && sparsity.String() != "dense")
        {
            throw sparsity.Error($"{sparsity.Describe()}; sparse weights are not supported, \"dense\" is expected");
        }

        if (quantization.Optional("transform_config") is { } transform && transform.Members().Any())
        {
            throw transform.Error("transformed weights are not supported; null is expected");
        }

        JsonCursor groups = quantization.Required("config_groups");
        (int Rows, int Columns)? common = null;
        foreach ((_, JsonCursor group) in groups.Members())
        {
            RefuseOtherFormat(group);
            if (group.Optional("weights") is not { } weights)
            {
                continue;
            }

            (int Rows, int Columns) block = Strategy(weights);
            if (common is { } other && other != block)
            {
                throw weights.Error("its weights share scales in another way than those of a group before; the same strategy is expected in all groups");
            }

            common = block;
        }

        return common ?? throw groups.Error("no group says how weights are quantized; \"weights\" is expected in one");
    }

    private static void RefuseOtherFormat(JsonCursor given)
    {
        if (given.Optional("format") is { } format && format.String() != "float-quantized")
        {
            throw format.Error($"{format.Describe()} is not supported yet; \"float-quantized\" is expected");
        }
    }

    private static (int Rows, int Columns) Strategy(JsonCursor weights)
    {
        int bits = weights.Required("num_bits").Int32(1, 64);
        string type = weights.Required("type").String();
        if (bits != 8 || type != "float")
        {
            throw weights.Error($"{type} weights of {bits} bits are not supported yet; float of 8 bits is expected");
        }

        if (weights.Optional("symmetric") is { } symmetric && !symmetric.Boolean())
        {
            throw symmetric.Error("false; weights with zero points are not supported, true is expected");
        }

        JsonCursor strategy = weights.Required("strategy");
        switch (strategy.String())
        {
            case "tensor":
                return WholeMatrix;
            case "channel":
                return (1, Whole);
            case "block":
                JsonCursor block = weights.Required("block_structure");
                return block.Kind == System.Text.Json.JsonValueKind.String
                    ? Sides(block, [.. block.String().Split('x').Take(3).Select(side => Side(block, side))])
                    : Sides(block, [.. block.Items().Take(3).Select(side => side.Int32(1, Whole))]);
            default:
                throw strategy.Error($"{strategy.Describe()} is not supported yet; \"tensor\", \"channel\" or \"block\" is expected");
        }
    }

    private static int Side(JsonCursor block, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int side) && side is >= 1 and <= Whole
            ? side
            : throw block.Error($"{block.Describe()}; two numbers from 1 to {Whole}, as in \"128x128\", are expected");

    private static (int Rows, int Columns) Sides(JsonCursor block, int[] sides) =>
        sides.Length == 2 ? (sides[0], sides[1]) : throw block.Error($"{block.Describe()}; two numbers, [rows, columns], are expected");
}
