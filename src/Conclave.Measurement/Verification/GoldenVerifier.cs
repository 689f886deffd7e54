using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>Compares a model with the outputs of a reference implementation: same experts, same greedy tokens, every tensor within a tolerance.</summary>
public static class GoldenVerifier
{
    /// <summary>Largest error that passes, as a part of the golden tensor's standard deviation.</summary>
    public const double Tolerance = 2e-4;

    private const double LeastDeviation = 1e-3;

    /// <summary>Runs all prompts in all ways.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="golden">What the reference computed.</param>
    /// <param name="kernels">The operators.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="dump">Receives, by prompt, what the one-chunk run computed; may be null.</param>
    /// <param name="cancellation">Checked between prompts.</param>
    /// <exception cref="UserErrorException">
    /// A golden tensor has a shape that this model does not give, or is none of the outputs that this model gives; or there is none beside the prompts.
    /// </exception>
    public static VerificationReport Run(
        Checkpoint checkpoint,
        GoldenFile golden,
        KernelSet kernels,
        WorkerTeam team,
        List<PromptOutputs>? dump = null,
        CancellationToken cancellation = default)
    {
        int greedy = Enumerable.Range(0, golden.Prompts.Count).Max(prompt => golden.Greedy(prompt).Length);
        if (greedy == 0 && Enumerable.Range(0, golden.Prompts.Count).All(prompt => golden.Outputs(prompt).Count == 0))
        {
            throw new UserErrorException($"{golden.Path}: there is nothing to compare beside the prompts' ids; outputs of a reference implementation are expected");
        }

        int longest = golden.Prompts.Max(prompt => prompt.Length);
        int blocks = LatentCache.BlocksFor(longest + greedy);
        bool withMtp = golden.HasMtp && checkpoint.Config.MtpLayers > 0;
        using DeepSeekModel model = new(checkpoint, kernels, team, new ModelOptions
        {
            CacheBlocks = blocks,
            MaxTokensPerStep = longest,
            WithMtp = withMtp,
        });
        using ForwardBatch batch = new(longest, 1, blocks);
        PromptRunner runner = new(model, batch, [.. Enumerable.Range(0, blocks)]);
        Comparison comparison = new(golden);
        foreach (PromptRun run in PromptRun.All)
        {
            for (int prompt = 0; prompt < golden.Prompts.Count; prompt++)
            {
                cancellation.ThrowIfCancellationRequested();
                int[] expected = golden.Greedy(prompt);
                PromptOutputs outputs = runner.Run(golden.Prompts[prompt], expected.Length, run, withMtp);
                comparison.Compare(prompt, run.Name, outputs, expected);
                if (ReferenceEquals(run, PromptRun.All[0]))
                {
                    dump?.Add(outputs);
                }
            }
        }

        return new VerificationReport(kernels.Name, Tolerance, comparison.Errors, comparison.Equalities);
    }

    private sealed class Comparison(GoldenFile golden)
    {
        private readonly Dictionary<(string, string), TensorErrors> _errors = [];
        private readonly Dictionary<(string, string), EqualityCount> _equalities = [];

        public IReadOnlyList<TensorErrors> Errors => [.. _errors.Values];

        public IReadOnlyList<EqualityCount> Equalities => [.. _equalities.Values];

        public void Compare(int prompt, string run, PromptOutputs outputs, int[] greedy)
        {
            foreach (string name in golden.Outputs(prompt))
            {
                StoredTensor expected = golden.Tensor(prompt, name)!;
                if (outputs.Indices.TryGetValue(name, out int[,]? indices))
                {
                    CompareExperts(prompt, run, name, indices, expected, outputs);
                }
                else if (outputs.Values.TryGetValue(name, out float[,]? values))
                {
                    // Weights are compared by expert, together with the experts, where the file has those.
                    if (!name.EndsWith(".weights", StringComparison.Ordinal) || golden.Tensor(prompt, name.Replace(".weights", ".indices", StringComparison.Ordinal)) is null)
                    {
                        CompareValues(prompt, run, name, values, Matrix(expected, values.GetLength(0), values.GetLength(1)));
                    }
                }
                else
                {
                    throw new UserErrorException(
                        $"{golden.Path}: tensor \"{expected.Name}\" cannot be compared, since this model has no such output for a prompt of length {golden.Prompts[prompt].Length}; "
                        + $"leave it out or verify the model that the file was made with; outputs here are {string.Join(", ", outputs.Values.Keys.Concat(outputs.Indices.Keys).Select(Kind).Distinct())}");
                }
            }

            EqualityCount tokens = Equality("greedy tokens", run);
            for (int i = 0; i < greedy.Length; i++)
            {
                Count(tokens, greedy[i] == outputs.Greedy[i], () => $"prompt {prompt}, token {i}: {outputs.Greedy[i]}, golden {greedy[i]}");
            }
        }

        private void CompareExperts(
            int prompt, string run, string name, int[,] indices, StoredTensor stored, PromptOutputs outputs)
        {
            int rows = indices.GetLength(0);
            int k = indices.GetLength(1);
            CheckShape(stored, rows, k);
            int[] expected = GoldenFile.Integers(stored);
            string weightsName = name.Replace(".indices", ".weights", StringComparison.Ordinal);
            float[,]? expectedWeights = golden.Tensor(prompt, weightsName) is { } tensor ? Matrix(tensor, rows, k) : null;
            float[,] weights = outputs.Values[weightsName];
            float[,] byExpert = new float[rows, k];
            float[,] expectedByExpert = new float[rows, k];
            EqualityCount count = Equality("experts", run);
            for (int row = 0; row < rows; row++)
            {
                int[] mine = Order(indices, row, k, out int[] myOrder);
                int[,] theirs = new int[1, k];
                for (int i = 0; i < k; i++)
                {
                    theirs[0, i] = expected[(row * k) + i];
                }

                int[] reference = Order(theirs, 0, k, out int[] referenceOrder);
                Count(count, mine.AsSpan().SequenceEqual(reference), () =>
                    $"prompt {prompt}, {name}, position {row}: {string.Join(' ', mine)}, golden {string.Join(' ', reference)}");
                for (int i = 0; i < k; i++)
                {
                    byExpert[row, i] = weights[row, myOrder[i]];
                    expectedByExpert[row, i] = expectedWeights?[row, referenceOrder[i]] ?? 0;
                }
            }

            if (expectedWeights is not null)
            {
                CompareValues(prompt, run, weightsName, byExpert, expectedByExpert);
            }
        }

        private static int[] Order(int[,] indices, int row, int k, out int[] order)
        {
            int[] experts = [.. Enumerable.Range(0, k).Select(i => indices[row, i])];
            order = [.. Enumerable.Range(0, k)];
            Array.Sort(experts, order);
            return experts;
        }

        private void CompareValues(int prompt, string run, string name, float[,] values, float[,] expected)
        {
            double sum = 0;
            double squares = 0;
            double maximum = 0;
            foreach (float value in expected)
            {
                sum += value;
                squares += (double)value * value;
            }

            for (int row = 0; row < values.GetLength(0); row++)
            {
                for (int column = 0; column < values.GetLength(1); column++)
                {
                    double error = Math.Abs((double)values[row, column] - expected[row, column]);
                    maximum = double.IsNaN(error) ? double.PositiveInfinity : Math.Max(maximum, error);
                }
            }

            double mean = sum / expected.Length;
            double deviation = Math.Sqrt(Math.Max((squares / expected.Length) - (mean * mean), 0));

            // Values that are all alike, as the weights of a single expert for a token, deviate by their rounding only: their size is the measure then.
            double measure = deviation > LeastDeviation * Math.Abs(mean) ? deviation : Math.Abs(mean);
            double relative = maximum == 0 ? 0 : maximum / measure;
            if (double.IsNaN(relative))
            {
                // The golden tensor itself is not a number somewhere: nothing is near it.
                relative = double.PositiveInfinity;
            }

            string kind = Kind(name);
            if (!_errors.TryGetValue((kind, run), out TensorErrors? errors))
            {
                errors = new TensorErrors { Kind = kind, Run = run };
                _errors.Add((kind, run), errors);
            }

            errors.Tensors++;
            errors.MaxError = Math.Max(errors.MaxError, maximum);
            if (relative >= errors.MaxRelativeError)
            {
                errors.MaxRelativeError = relative;
                errors.Worst = $"prompts.{prompt}.{name}";
            }
        }

        private static string Kind(string name) =>
            name.StartsWith("layers.", StringComparison.Ordinal) ? "layers.*" + name[name.IndexOf('.', 7)..] : name;

        private EqualityCount Equality(string what, string run)
        {
            if (!_equalities.TryGetValue((what, run), out EqualityCount? count))
            {
                count = new EqualityCount(what, run);
                _equalities.Add((what, run), count);
            }

            return count;
        }

        private static void Count(EqualityCount count, bool equal, Func<string> describe)
        {
            count.Total++;
            if (equal)
            {
                count.Equal++;
            }
            else if (count.FirstDifference.Length == 0)
            {
                count.FirstDifference = describe();
            }
        }

        private static float[,] Matrix(StoredTensor tensor, int rows, int columns)
        {
            CheckShape(tensor, rows, columns);
            if (tensor.Format != ElementFormat.F32)
            {
                throw new UserErrorException($"{tensor.File.Path}: tensor \"{tensor.Name}\" is {tensor.Format}; F32 is expected");
            }

            float[,] values = new float[rows, columns];
            for (int row = 0; row < rows; row++)
            {
                ReadOnlySpan<float> source = tensor.View.RowF32(row);
                for (int column = 0; column < columns; column++)
                {
                    values[row, column] = source[column];
                }
            }

            return values;
        }

        private static void CheckShape(StoredTensor tensor, int rows, int columns)
        {
            if (!tensor.Shape.SequenceEqual([rows, columns]))
            {
                throw new UserErrorException(
                    $"{tensor.File.Path}: tensor \"{tensor.Name}\" has shape {tensor.ShapeText}; this model gives [{rows}, {columns}]");
            }
        }
    }
}
