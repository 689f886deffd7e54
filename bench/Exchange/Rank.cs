using Conclave.Kernels;
using Conclave.Models;
using Conclave.Primitives;

namespace Conclave.ExchangeBench;

/// <summary>One rank with two micro-batches of random tokens, whose "computation" is time that passes without using a core, as on another device.</summary>
internal sealed unsafe class Rank : IDisposable
{
    private const int Groups = 8;
    private const int GroupsPerToken = 4;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(1);

    private readonly IExpertExchange _exchange;
    private readonly Batch[] _batches;

    public Rank(IExpertExchange exchange, int rank, int tokens, int hidden, int experts, int expertsPerToken)
    {
        _exchange = exchange;
        _batches = [.. Enumerable.Range(0, 2).Select(i => new Batch(exchange, new Random((rank * 2) + i), tokens, hidden, experts, expertsPerToken))];
    }

    /// <summary>Rows by expert that the last exchange of the first micro-batch had.</summary>
    public int[] Offsets { get; private set; } = [];

    /// <summary>Both micro-batches through layers one after the other; attention and experts take that long for each of them.</summary>
    public void RunSerial(int layers, TimeSpan computation)
    {
        for (int layer = 0; layer < layers; layer++)
        {
            foreach (Batch batch in _batches)
            {
                Compute(computation);
                BeginDispatch(batch);
                FinishDispatch(batch);
                Compute(computation);
                BeginCombine(batch);
                FinishCombine(batch);
            }
        }
    }

    /// <summary>The same, with the exchange of one micro-batch under the computation of the other.</summary>
    public void RunOverlapped(int layers, TimeSpan computation)
    {
        (Batch a, Batch b) = (_batches[0], _batches[1]);
        Compute(computation);
        BeginDispatch(a);
        for (int layer = 0; layer < layers; layer++)
        {
            if (layer > 0)
            {
                FinishCombine(b);
            }

            Compute(computation);
            BeginDispatch(b);
            FinishDispatch(a);
            Compute(computation);
            BeginCombine(a);
            FinishDispatch(b);
            Compute(computation);
            BeginCombine(b);
            FinishCombine(a);
            if (layer < layers - 1)
            {
                Compute(computation);
                BeginDispatch(a);
            }
        }

        FinishCombine(b);
    }

    public void Dispose() => Array.ForEach(_batches, batch => batch.Dispose());

    private void Compute(TimeSpan time)
    {
        long end = Environment.TickCount64 + (long)time.TotalMilliseconds;
        while (Environment.TickCount64 < end)
        {
            Thread.Sleep(Slice);
            _exchange.Progress();
        }
    }

    private void BeginDispatch(Batch batch) => _exchange.BeginDispatch(batch.Slot, 0, batch.Hidden, batch.Routing);

    private void FinishDispatch(Batch batch)
    {
        ExpertRows rows = _exchange.FinishDispatch(batch.Slot, out _);
        batch.Rows = rows.Count;
        if (batch == _batches[0])
        {
            Offsets = rows.Offsets.ToArray();
        }
    }

    private void BeginCombine(Batch batch) => _exchange.BeginCombine(batch.Slot, batch.Outputs.SliceRows(0, batch.Rows));

    private void FinishCombine(Batch batch) => _exchange.FinishCombine(batch.Slot, batch.Result);

    private sealed class Batch : IDisposable
    {
        private readonly List<NativeBuffer> _buffers = [];

        public Batch(IExpertExchange exchange, Random random, int tokens, int hidden, int experts, int expertsPerToken)
        {
            Slot = exchange.CreateSlot(tokens);
            Hidden = Matrix(tokens, hidden);
            Outputs = Matrix(Slot.MaxRows, hidden);
            Result = Matrix(tokens, hidden);
            Routing = new Routing((int*)Matrix(tokens, expertsPerToken).Data, (float*)Matrix(tokens, expertsPerToken).Data, tokens, expertsPerToken);
            for (int token = 0; token < tokens; token++)
            {
                foreach (ref float value in Hidden.RowF32(token))
                {
                    value = random.NextSingle() - 0.5f;
                }

                // Random experts of random groups, as DeepSeek-V3's router limits them.
                int size = experts / Groups;
                int[] groups = [.. Enumerable.Range(0, Groups).OrderBy(_ => random.Next()).Take(GroupsPerToken)];
                int[] candidates = [.. groups.SelectMany(group => Enumerable.Range(group * size, size)).OrderBy(_ => random.Next())];
                candidates.AsSpan(0, expertsPerToken).CopyTo(Routing.Experts(token));
                Routing.Weights(token).Fill(1f / expertsPerToken);
            }
        }

        public ExchangeSlot Slot { get; }

        public TensorView Hidden { get; }

        public TensorView Outputs { get; }

        public TensorView Result { get; }

        public Routing Routing { get; }

        public int Rows { get; set; }

        public void Dispose()
        {
            Slot.Dispose();
            _buffers.ForEach(buffer => buffer.Dispose());
        }

        private TensorView Matrix(nint rows, nint columns)
        {
            _buffers.Add(NativeBuffer.ForF32(rows, columns, out TensorView view));
            return view;
        }
    }
}
