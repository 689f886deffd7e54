using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Parallel.Exchange;

namespace Conclave.Parallel.Launch;

/// <summary>A rank that the leader tells what to compute: some requests' tokens, or none but with its experts those of others.</summary>
public static class RankFollower
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Computes every step that the leader begins, until it ends. What fails is told to the coordinator.</summary>
    /// <param name="connection">The control channel.</param>
    /// <param name="endpoints">The rank's transports where all ranks are in this process; null: UCX.</param>
    public static void Run(RankConnection connection, RankEndpoints? endpoints)
    {
        try
        {
            connection.Leave(RankConnection.Understand(() => Follow(connection, endpoints)));
        }
        catch (PeerException e)
        {
            throw connection.Explain(e);
        }
        catch (Exception e)
        {
            connection.Fail(e);
            throw;
        }
    }

    private static RankReport Follow(RankConnection connection, RankEndpoints? endpoints)
    {
        ControlFrame first = connection.Take(ControlKind.Open, ControlKind.End);
        if (first.Kind == ControlKind.End)
        {
            return RankReport.Of(Memory(endpoints), null);
        }

        ModelOrder order = ModelOrder.Read(first);
        using Checkpoint checkpoint = Checkpoint.Open(order.Directory);
        KernelSet kernels = KernelSet.Find(order.InstructionSet);
        using WorkerTeam team = new(order.Threads, connection.Plan.Ranks);
        using RankMembership membership = new(connection, endpoints, checkpoint.Config, kernels, team, order.MaxTokens);
        ModelOptions options = new()
        {
            MaxTokensPerStep = order.MaxTokens,
            CacheBlocks = connection.Plan.Groups().Of(connection.Rank) is null ? 1 : order.CacheBlocks,
            CacheFormat = order.CacheFormat,
            ReadAhead = checkpoint.ExceedsMemory,
            Experts = new ExpertPartition(membership.Exchange, membership.ExpertsOf, null, connection.Plan.DivideFrom, EndSteps: membership.EndSteps),
            Attention = membership.Attention,
        };
        using DeepSeekModel model = new(checkpoint, kernels, team, options);
        using StepReader step = new(connection.Rank, connection.Plan, checkpoint.Config, order);
        membership.BeginSteps(model);
        connection.Send(ControlKind.Ready);

        // Between steps nobody else looks after the transport.
        LoadReport loads = new(connection, membership.Exchange.Choices);
        Action meanwhile = () =>
        {
            membership.Exchange.Progress();
            loads.SendIfDue();
        };
        ControlFrame frame;
        while ((frame = connection.Take(Pause, meanwhile, ControlKind.Step, ControlKind.End)).Kind == ControlKind.Step)
        {
            step.Read(frame);
            frame.Release();
            membership.BetweenSteps();
            model.ForwardHidden(step.Batch, step.TokensOfAll);
            membership.Hidden?.Send(step.Batch, model.Hidden(step.Batch.Count));
            membership.Exchange.Flush();
            loads.SendIfDue();
        }

        return RankReport.Of(Memory(endpoints), membership);
    }

    /// <summary>Ranks of one process have their memory in common; the leader tells it.</summary>
    private static RankMemory Memory(RankEndpoints? endpoints) => endpoints is null ? RankMemory.OfThisProcess() : default;
}
