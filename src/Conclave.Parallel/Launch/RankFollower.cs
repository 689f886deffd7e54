using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Models;
using Conclave.Transport;

namespace Conclave.Parallel.Launch;

/// <summary>A rank that the leader tells what to compute: some requests' tokens, or none but with its experts those of others.</summary>
public static class RankFollower
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Computes every step that the leader begins, until it ends. What fails is told to the coordinator.</summary>
    /// <param name="connection">The control channel.</param>
    /// <param name="endpoint">The rank's transport where all ranks are in this process; null: UCX.</param>
    public static void Run(RankConnection connection, ITransport? endpoint)
    {
        try
        {
            connection.Leave(Follow(connection, endpoint));
        }
        catch (Exception e)
        {
            connection.Fail(e);
            throw;
        }
    }

    private static RankReport Follow(RankConnection connection, ITransport? endpoint)
    {
        ControlFrame first = connection.Take(ControlKind.Open, ControlKind.End);
        if (first.Kind == ControlKind.End)
        {
            return RankReport.Of(Memory(endpoint), null, null);
        }

        ModelOrder order = ModelOrder.Read(first);
        using Checkpoint checkpoint = Checkpoint.Open(order.Directory);
        KernelSet kernels = KernelSet.Find(order.InstructionSet);
        using WorkerTeam team = new(order.Threads, connection.Plan.Ranks);
        using RankMembership membership = new(connection, endpoint, checkpoint.Config, kernels, team, order.MaxTokens);
        ModelOptions options = new()
        {
            MaxTokensPerStep = order.MaxTokens,
            CacheBlocks = connection.Rank < connection.Plan.DataParallel ? order.CacheBlocks : 1,
            CacheFormat = order.CacheFormat,
            Experts = new ExpertPartition(membership.Exchange, membership.ExpertsOf, null, connection.Plan.DivideFrom, EndSteps: membership.EndSteps),
        };
        using DeepSeekModel model = new(checkpoint, kernels, team, options);
        using StepReader step = new(connection.Rank, connection.Plan.DataParallel, checkpoint.Config, order);
        membership.BeginSteps(model);
        connection.Send(ControlKind.Ready);

        // Between steps nobody else looks after the transport.
        Action meanwhile = membership.Exchange.Progress;
        ControlFrame frame;
        while ((frame = connection.Take(Pause, meanwhile, ControlKind.Step, ControlKind.End)).Kind == ControlKind.Step)
        {
            step.Read(frame);
            membership.BetweenSteps();
            model.ForwardHidden(step.Batch, step.TokensOfAll);
            membership.Hidden?.Send(step.Batch, model.Hidden(step.Batch.Count));
            membership.Exchange.Flush();
        }

        return RankReport.Of(Memory(endpoint), membership.Exchange.Traffic, membership.Balance);
    }

    /// <summary>Ranks of one process have their memory in common; the leader tells it.</summary>
    private static RankMemory Memory(ITransport? endpoint) => endpoint is null ? RankMemory.OfThisProcess() : default;
}
