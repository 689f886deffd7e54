using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>What a model computed for one prompt, by the names that a golden file gives its tensors (without the prompt's prefix).</summary>
public sealed class PromptOutputs : IForwardObserver
{
    private readonly int _tokens;
    private int _firstRow;

    /// <summary>Prepares to collect the outputs of a prompt of that many tokens.</summary>
    public PromptOutputs(int tokens) => _tokens = tokens;

    /// <summary>Matrices with one row for each position.</summary>
    public SortedDictionary<string, float[,]> Values { get; } = new(StringComparer.Ordinal);

    /// <summary>Chosen experts with one row for each position.</summary>
    public SortedDictionary<string, int[,]> Indices { get; } = new(StringComparer.Ordinal);

    /// <summary>The greedy continuation.</summary>
    public List<int> Greedy { get; } = [];

    /// <summary>Says which position the next step's first row is.</summary>
    public void BeginChunk(int firstPosition) => _firstRow = firstPosition;

    /// <inheritdoc/>
    public void Embedding(TensorView hidden) => Collect("embedding", hidden);

    /// <inheritdoc/>
    public void LayerOutput(int layer, TensorView hidden) => Collect($"layers.{layer}.output", hidden);

    /// <inheritdoc/>
    public void Routed(int layer, in Routing routing)
    {
        string name = $"layers.{layer}.router";
        if (!Indices.TryGetValue($"{name}.indices", out int[,]? indices))
        {
            indices = new int[_tokens, routing.ExpertsPerToken];
            Indices.Add($"{name}.indices", indices);
            Values.Add($"{name}.weights", new float[_tokens, routing.ExpertsPerToken]);
        }

        float[,] weights = Values[$"{name}.weights"];
        for (int token = 0; token < routing.Tokens; token++)
        {
            // By falling weight, as golden files have them; the router's own order is by choice score.
            int[] order = [.. Enumerable.Range(0, routing.ExpertsPerToken)];
            float[] keys = Array.ConvertAll(routing.Weights(token).ToArray(), weight => -weight);
            Array.Sort(keys, order);
            for (int k = 0; k < order.Length; k++)
            {
                indices[_firstRow + token, k] = routing.Experts(token)[order[k]];
                weights[_firstRow + token, k] = -keys[k];
            }
        }
    }

    /// <summary>Keeps the rows of one step.</summary>
    public void Collect(string name, TensorView rows, int totalRows = 0)
    {
        if (!Values.TryGetValue(name, out float[,]? values))
        {
            values = new float[totalRows == 0 ? _tokens : totalRows, rows.Columns];
            Values.Add(name, values);
        }

        for (int row = 0; row < rows.Rows; row++)
        {
            ReadOnlySpan<float> source = rows.RowF32(row);
            for (int column = 0; column < source.Length; column++)
            {
                values[_firstRow + row, column] = source[column];
            }
        }
    }
}
