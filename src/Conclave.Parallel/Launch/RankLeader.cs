using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;

namespace Conclave.Parallel.Launch;

/// <summary>
/// Rank 0, which runs the command. It has the other ranks open the model that it opens, and begins every step: each computes the same layers with the batch that it is given,
/// which is empty on ranks that have experts only.
/// </summary>
public sealed class RankLeader : IDisposable
{
    private readonly RankConnection _connection;
    private readonly RankEndpoints? _endpoints;
    private readonly StepWriter _step;
    private RankMembership? _membership;
    private RankMemory _memory;
    private bool _hasBegun;
    private bool _failed;

    /// <summary>Leads the ranks of a launch.</summary>
    /// <param name="connection">The control channel of rank 0.</param>
    /// <param name="endpoints">Its transports where all ranks are in this process; null: UCX.</param>
    public RankLeader(RankConnection connection, RankEndpoints? endpoints)
    {
        _connection = connection;
        _endpoints = endpoints;
        _step = new StepWriter(connection.Plan.DataParallel, connection.Plan.TensorParallel);
    }

    /// <summary>The world.</summary>
    public WorldPlan Plan => _connection.Plan;

    /// <summary>Has all ranks open a model that this one is about to compose, and waits until they have.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="kernels">The operators; all ranks use those of the same name.</param>
    /// <param name="team">Who computes on this rank; other ranks have as many threads.</param>
    /// <param name="options">How the model will be composed: other ranks have as large steps, and those that have tokens as large a cache.</param>
    /// <returns>These with this rank's part of the model; it tells the others when a step begins.</returns>
    /// <exception cref="UserErrorException">The model has no experts, or its experts do not fit the launch's slots, or its heads the launch's groups.</exception>
    /// <exception cref="RankFailedException">A rank could not open it.</exception>
    public ModelOptions Join(string directory, ModelConfig config, KernelSet kernels, WorkerTeam team, ModelOptions options)
    {
        if (config.RoutedExperts == 0)
        {
            throw new UserErrorException($"{directory}: this model has no experts that ranks could divide; run it without launch");
        }

        _ = Plan.Place(config);
        AttentionPartition.CheckRanks(config, Plan.TensorParallel);
        int[] ends = ExpertEnds(config);
        long[] loads = _connection.KeepLoads(ends[^1]);
        ModelOrder order = new(Path.GetFullPath(directory), kernels.Name, team.Count, options.MaxTokensPerStep, options.CacheBlocks, options.CacheFormat, ends[^1]);
        _connection.Send(ControlKind.Open, order.Write().Written);
        _membership = new RankMembership(_connection, _endpoints, config, kernels, team, options.MaxTokensPerStep);
        _connection.Take(ControlKind.Start);
        return options with
        {
            Experts = new ExpertPartition(
                new ExplainedExchange(_membership.Exchange, _connection),
                _membership.ExpertsOf,
                BeginStep,
                Plan.DivideFrom,
                Plan.DataParallel,
                ReceiveHidden,
                EndSteps,
                layer => loads.AsSpan((layer == 0 ? 0 : ends[layer - 1])..ends[layer])),
            Attention = _membership.Attention is { } attention ? attention with { Gather = new ExplainedGather(attention.Gather, _connection) } : null,
        };
    }

    /// <summary>Whether the launch has ended because of a rank; the launcher says why.</summary>
    public bool IsOver => _connection.IsOver;

    /// <summary>Tells why the command failed; the launch ends with that.</summary>
    public void Fail(Exception error)
    {
        _failed = true;
        _connection.Fail(error);
    }

    /// <summary>Ends the other ranks; the model must be disposed.</summary>
    public void Dispose()
    {
        try
        {
            if (!_failed)
            {
                _connection.Send(ControlKind.End);
                _connection.Leave(RankReport.Of(_memory, _membership));
            }
        }
        catch (RankFailedException)
        {
            // The launch is over, and the launcher says why.
        }

        _membership?.Dispose();
    }

    /// <summary>Experts of each layer and those before it.</summary>
    private static int[] ExpertEnds(ModelConfig config)
    {
        int end = 0;
        return [.. config.IsMoeLayer.Select(isMoe => end = checked(end + (isMoe ? config.RoutedExperts : 0)))];
    }

    private void BeginStep(DeepSeekModel model, ReadOnlySpan<ForwardBatch> batches)
    {
        _connection.ThrowIfOver();
        if (!_hasBegun)
        {
            _membership!.BeginSteps(model);
            _hasBegun = true;
        }

        _membership!.Hidden?.Expect(batches);
        _connection.Send(ControlKind.Step, _step.Write(batches));
        try
        {
            _membership.BetweenSteps();
        }
        catch (PeerException e)
        {
            throw _connection.Explain(e);
        }
    }

    private void EndSteps()
    {
        // Before the model's weights are unmapped.
        _memory = RankMemory.OfThisProcess();
        _membership!.EndSteps();
    }

    private void ReceiveHidden(TensorView rows)
    {
        try
        {
            _membership!.Hidden!.Receive(rows);
        }
        catch (PeerException e)
        {
            throw _connection.Explain(e);
        }
    }
}
