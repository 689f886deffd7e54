using System.Globalization;
using Conclave.Checkpoints;
using Conclave.Conversion;
using Conclave.Kernels;
using Conclave.Measurement.Load;
using Conclave.Parallel.Balancing;
using Conclave.Parallel.Exchange;
using Conclave.Parallel.Launch;
using Conclave.Primitives;

namespace Conclave.Cli.Commands;

/// <summary>A row of the ablation: everything that is switched on.</summary>
/// <param name="Name">The last of its switches.</param>
/// <param name="Exchange">How tokens travel.</param>
/// <param name="Balancing">Whether experts move, and the hot ones get replicas.</param>
/// <param name="FusedPrepare">Whether the operator before attention is one.</param>
/// <param name="Overlap">Whether tokens travel under computation.</param>
/// <param name="Batching">Whether answers are computed together.</param>
/// <param name="DataParallel">Whether requests are divided over as many ranks as there are cores.</param>
internal sealed record AblationRow(string Name, ExchangeOptions Exchange, bool Balancing, bool FusedPrepare, bool Overlap, bool Batching, bool DataParallel)
{
    private static readonly AblationRow Naive = new("naive", ExchangeOptions.Flat, false, false, false, false, false);

    /// <summary>One switch at a time.</summary>
    /// <param name="batching">Whether answers are computed together in all rows, not in the last ones only.</param>
    public static AblationRow[] Table(bool batching)
    {
        AblationRow naive = Naive with { Batching = batching };
        AblationRow twoHops = naive with
        {
            Name = "two hops", Exchange = new ExchangeOptions(ExchangePath.TwoHop, PayloadFormat.BF16, PayloadFormat.BF16, CombineReduction.InHost),
        };
        AblationRow fp8 = twoHops with { Name = "FP8 to the experts", Exchange = ExchangeOptions.Fast(PayloadFormat.BF16) };
        AblationRow balancing = fp8 with { Name = "balancing", Balancing = true };
        AblationRow prepare = balancing with { Name = "prepare as one operator", FusedPrepare = true };
        AblationRow overlap = prepare with { Name = "overlap", Overlap = true };
        AblationRow batched = overlap with { Name = "batching", Batching = true };
        AblationRow groups = batched with { Name = "data-parallel attention", DataParallel = true };
        AblationRow[] rows = [naive, twoHops, fp8, balancing, prepare, overlap];
        return batching ? [.. rows, groups] : [.. rows, batched, groups];
    }
}

/// <summary>Runs rows of the ablation, each as a launch of its own, on a model that it writes.</summary>
internal sealed class Ablation : IDisposable
{
    // As many as the default's 32 requests have in the two rounds that are not measured: by then experts have moved once.
    private const int LoadsWindow = 2048;

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
    /// DeepSeek-V3's layers: a dense one, as wide as nine experts, and five of 64 experts in 8 groups, of which a token has 8 in 4 groups. Tokens are more than half as wide as V3's, but experts 32
    /// times narrower: what travels has about the time that it would have, and what is computed has some of the few cores that all ranks share. One expert of each layer is chosen by every token.
    /// </summary>
    private static ModelConfig Shape { get; } = ReleasedShapes.Find("deepseek-v3", 6) with
    {
        VocabularySize = 2048, HiddenSize = 4096, IntermediateSize = 576, MoeIntermediateSize = 64, IsMoeLayer = [false, true, true, true, true, true], Heads = 8, QueryLoraRank = 256,
        LatentDim = 256, NopeDim = 64, RopeDim = 32, ValueDim = 64, RoutedExperts = 64, Yarn = null, MaxPositions = 4096,
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
        string[] separate = row.FusedPrepare ? [] : ["--separate-prepare"];

        // A rank whose requests wait for a core that another rank has gains nothing.
        int groups = row.DataParallel ? Math.Min(_ranks, WorkerTeam.DefaultThreads) : 1;
        WorldPlan plan = new(_ranks, _hosts, row.Exchange, 1)
        {
            DataParallel = groups,
            DivideFrom = row.Overlap ? WorldPlan.DefaultDivideFrom : null,
            Slots = row.Balancing ? ((Shape.RoutedExperts + _ranks - 1) / _ranks + 1) * _ranks : null,
            Balancing = new BalancerOptions { WindowTokens = LoadsWindow },
        };
        string[] command =
        [
            "bench", "closed-loop", Model, "--clients", $"{_clients}", "--requests", $"{_requests}",
            "--max-running", row.Batching ? $"{(_clients + groups - 1) / groups}" : "1", "--out", file, .. separate,
        ];
        using (Launcher launcher = new(plan, command, TextWriter.Null))
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
