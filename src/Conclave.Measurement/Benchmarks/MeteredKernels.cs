using System.Diagnostics;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Measurement;

/// <summary>A set of operators that do what those of another set do, and tell a meter how long it took and what it had to read and compute.</summary>
public static class MeteredKernels
{
    /// <summary>Wraps a set.</summary>
    public static KernelSet Wrap(KernelSet kernels, OperatorMeter meter) => kernels with
    {
        MatMul = new MeteredMatMul(kernels.MatMul, meter),
        RmsNorm = new MeteredRmsNorm(kernels.RmsNorm, meter),
        MlaPrepare = new MeteredMlaPrepare(kernels.MlaPrepare, meter),
        AbsorbedAttention = new MeteredAttention("attention, absorbed", OperatorCost.AbsorbedAttention, kernels.AbsorbedAttention, meter),
        ExpandedAttention = new MeteredAttention("attention, expanded", OperatorCost.ExpandedAttention, kernels.ExpandedAttention, meter),
        ExpertMlp = new MeteredExpertMlp(kernels.ExpertMlp, meter),
        ScaledAdd = new MeteredScaledAdd(kernels.ScaledAdd, meter),
    };

    private delegate OperatorCost AttentionCost(in LatentAttentionShape shape, TensorView expansion, in LatentPages pages, ReadOnlySpan<AttentionSpan> spans);

    private sealed class MeteredMatMul(MatMul inner, OperatorMeter meter) : MatMul
    {
        private readonly Dictionary<(nint, nint, ElementFormat), string> _names = [];

        public override void Run(TensorView weights, TensorView input, TensorView output, WorkerTeam team)
        {
            if (!_names.TryGetValue((weights.Rows, weights.Columns, weights.Format), out string? name))
            {
                name = $"matmul [{weights.Rows}, {weights.Columns}] {weights.Format}";
                _names.Add((weights.Rows, weights.Columns, weights.Format), name);
            }

            OperatorCost cost = OperatorCost.MatMul(weights, input.Rows);
            long started = Stopwatch.GetTimestamp();
            inner.Run(weights, input, output, team);
            meter.Add(name, started, cost);
        }
    }

    private sealed class MeteredExpertMlp(ExpertMlp inner, OperatorMeter meter) : ExpertMlp
    {
        public override void Run(ReadOnlySpan<MlpWeights> experts, ExpertRows rows, TensorView input, TensorView output, WorkerTeam team)
        {
            OperatorCost cost = OperatorCost.ExpertMlp(experts, rows);
            long started = Stopwatch.GetTimestamp();
            inner.Run(experts, rows, input, output, team);
            meter.Add(experts.Length > 1 ? "experts, routed" : "MLP, dense or shared", started, cost);
        }
    }

    private sealed class MeteredMlaPrepare(MlaPrepare inner, OperatorMeter meter) : MlaPrepare
    {
        public override void Run(
            in LatentAttentionShape shape,
            in MlaPrepareWeights weights,
            TensorView input,
            in RotaryAngles angles,
            in LatentPages pages,
            ReadOnlySpan<nint> cacheRows,
            TensorView query,
            WorkerTeam team)
        {
            OperatorCost cost = OperatorCost.MlaPrepare(weights, input.Rows);
            long started = Stopwatch.GetTimestamp();
            inner.Run(shape, weights, input, angles, pages, cacheRows, query, team);
            meter.Add("prepare", started, cost);
        }
    }

    private sealed class MeteredAttention(string name, AttentionCost costOf, LatentAttention inner, OperatorMeter meter) : LatentAttention
    {
        public override void Run(
            in LatentAttentionShape shape,
            TensorView query,
            TensorView expansion,
            in LatentPages pages,
            ReadOnlySpan<AttentionSpan> spans,
            TensorView output,
            WorkerTeam team)
        {
            if (spans.IsEmpty)
            {
                return;
            }

            OperatorCost cost = costOf(shape, expansion, pages, spans);
            long started = Stopwatch.GetTimestamp();
            inner.Run(shape, query, expansion, pages, spans, output, team);
            meter.Add(name, started, cost);
        }
    }

    private sealed class MeteredRmsNorm(RmsNorm inner, OperatorMeter meter) : RmsNorm
    {
        public override void Run(TensorView input, TensorView gain, float epsilon, TensorView output, WorkerTeam team)
        {
            long started = Stopwatch.GetTimestamp();
            inner.Run(input, gain, epsilon, output, team);
            meter.Add("norm", started, default);
        }
    }

    private sealed class MeteredScaledAdd(ScaledAdd inner, OperatorMeter meter) : ScaledAdd
    {
        public override void Run(TensorView x, float scale, TensorView y, WorkerTeam team)
        {
            long started = Stopwatch.GetTimestamp();
            inner.Run(x, scale, y, team);
            meter.Add("add", started, default);
        }

        // Called by workers, from several threads: counted with what calls it.
        public override unsafe void Row(float* x, float scale, float* y, nint count) => inner.Row(x, scale, y, count);
    }
}
