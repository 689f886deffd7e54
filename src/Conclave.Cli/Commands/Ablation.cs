using System.Globalization;
using Conclave.Checkpoints;
using Conclave.Conversion;
using Conclave.Measurement.Load;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>Runs rows of the ablation, each as a launch of its own, on a model that it writes.</summary>
internal sealed class Ablation : IDisposable
{
    // Far above what scores differ by, so that every token chooses it.
    private const float Hot = 10;

    private readonly string _folder = Directory.CreateTempSubdirectory("conclave-ablation-").FullName;
    private readonly int _ranks;
    private readonly int _hosts;
    private readonly int _clients;
    private readonly int _requests;

    public Ablation(int ranks, int hosts, int clients, int requests)
    {
        (_ranks, _hosts, _clients, _requests) = (ranks, hosts, clients, requests);
    }

    /// <summary>
    /// DeepSeek-V3's layers: a dense one, as wide as nine experts, and five of 32 experts in 8 groups, of which a token has 8 in 4 groups; attention and the head have about the part of a token's
    /// multiply-adds that they have there. Tokens are more than half as wide as V3's, but experts 32 times narrower: what travels has about the time that it would have, and what is computed has some of
    /// the few cores that all ranks share. With an eighth of its experts a step of sixteen tokens gives each one four; where V3 is served it is hundreds. One expert of each layer is chosen by every token.
    /// </summary>
    private static ModelConfig Shape { get; } = ReleasedShapes.Find("deepseek-v3", 6) with
    {
        VocabularySize = 512, HiddenSize = 4096, IntermediateSize = 576, MoeIntermediateSize = 64, IsMoeLayer = [false, true, true, true, true, true], Heads = 4, QueryLoraRank = 256,
        LatentDim = 256, NopeDim = 64, RopeDim = 32, ValueDim = 64, RoutedExperts = 32, Yarn = null, MaxPositions = 4096,
    };

    private string Model => Path.Combine(_folder, "model");

    /// <summary>Writes the model.</summary>
    public void WriteModel(CancellationToken cancellation)
    {
        SyntheticCheckpoint.Write(Shape, ElementFormat.F8_E4M3, Model, cancellation: cancellation);
        using Checkpoint checkpoint = Checkpoint.Open(Model);
        for (int layer = 0; layer < Shape.Layers; layer++)
        {
            if (Shape.IsMoeLayer[layer])
            {
                Heat(checkpoint.Get($"model.layers.{layer}.mlp.gate.e_score_correction_bias"), expert: layer);
            }
        }
    }

    /// <summary>Measures rows one after the other, several times over, so that what the machine does meanwhile meets all of them.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="passes">How many times.</param>
    /// <param name="progress">Gets the share that is done.</param>
    /// <param name="cancellation">Ends the run.</param>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    public ClosedLoopResult[] Run(AblationRow[] rows, int passes, IProgress<double> progress, CancellationToken cancellation)
    {
        List<ClosedLoopResult>[] runs = Array.ConvertAll(rows, _ => new List<ClosedLoopResult>());
        for (int pass = 0; pass < passes; pass++)
        {
            for (int row = 0; row < rows.Length; row++)
            {
                runs[row].Add(Run(rows[row], cancellation));
                progress.Report((pass + ((row + 1) / (double)rows.Length)) / passes);
            }
        }

        return Array.ConvertAll(runs, ClosedLoopResult.Merge);
    }

    private ClosedLoopResult Run(AblationRow row, CancellationToken cancellation)
    {
        string file = Path.Combine(_folder, "result");
        using (Launcher launcher = new(row.Plan(_ranks, _hosts, Shape.RoutedExperts), row.Command(Model, _ranks, _clients, _requests, file), TextWriter.Null))
        {
            int code = launcher.RunProcesses(cancellation);
            if (code != 0)
            {
                throw new RankFailedException($"rank 0 ended with code {code}");
            }
        }

        double[] numbers = [.. File.ReadAllText(file).Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
        return new ClosedLoopResult(numbers[1..], numbers[0]);
    }

    private static unsafe void Heat(StoredTensor bias, int expert)
    {
        // A file ends with its last tensor.
        StoredTensor last = bias.File.Tensors[^1];
        long place = bias.File.Length - (last.Data + last.Bytes - bias.Data) + ((long)expert * sizeof(float));
        using FileStream file = new(bias.File.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = place;
        file.Write(BitConverter.GetBytes(Hot));
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
