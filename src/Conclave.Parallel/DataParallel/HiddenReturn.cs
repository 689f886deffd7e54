using Conclave.Models;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;

namespace Conclave.Parallel.DataParallel;

/// <summary>
/// Brings the hidden states whose logits are wanted from the first ranks of the other groups that have tokens to rank 0, which computes the head for all. They travel beside the exchanges over the same transport, so that
/// whoever waits for one carries on the other: rows of binary32 one behind the other, cut where a message is full.
/// </summary>
internal sealed class HiddenReturn : ISideMessages, IDisposable
{
    private readonly RankedExchange _exchange;
    private readonly RankGroups _groups;
    private readonly SideChannel _channel;
    private readonly int _rowBytes;
    private readonly NativeBuffer? _arrived;
    private readonly nint[] _begin;
    private readonly nint[] _end;
    private readonly nint[] _next;
    private readonly Func<int, bool> _hasAll;
    private readonly Func<int, bool> _hasSent;
    private ForwardBatch? _batch;
    private TensorView _hidden;
    private nint _written;

    /// <summary>To be created by all ranks, in the same order as whatever else talks beside the exchange.</summary>
    /// <param name="exchange">The rank's exchange.</param>
    /// <param name="groups">The groups that have tokens.</param>
    /// <param name="maxTokens">Most tokens of a group's step.</param>
    /// <param name="hiddenSize">Numbers of a row.</param>
    public HiddenReturn(RankedExchange exchange, RankGroups groups, int maxTokens, int hiddenSize)
    {
        _exchange = exchange;
        _groups = groups;
        _rowBytes = hiddenSize * sizeof(float);
        int senders = exchange.Rank == 0 ? groups.Count : 0;
        _arrived = senders > 1 ? new NativeBuffer(checked((nint)(senders - 1) * maxTokens * _rowBytes)) : null;
        _begin = new nint[senders];
        _end = new nint[senders];
        _next = new nint[senders];
        _hasAll = peer => _next[groups.Of(peer)!.Value] == _end[groups.Of(peer)!.Value];
        _hasSent = peer => _batch is null && _channel!.HasLeftFor(peer);
        _channel = exchange.Attach(this);
    }

    private nint Bytes => (nint)_batch!.LogitCount * _rowBytes;

    /// <summary>Rank 0, before the others are told to compute a step: makes room for their rows.</summary>
    /// <param name="batches">Those of the step, the first group's first.</param>
    public void Expect(ReadOnlySpan<ForwardBatch> batches)
    {
        nint end = 0;
        for (int group = 1; group < _end.Length; group++)
        {
            _begin[group] = _next[group] = end;
            end += group < batches.Length ? (nint)batches[group].LogitCount * _rowBytes : 0;
            _end[group] = end;
        }
    }

    /// <summary>Rank 0: waits for all rows of the step.</summary>
    /// <param name="rows">Takes them, in the order of groups: as many as were expected.</param>
    /// <exception cref="PeerException">A rank failed, or sent what cannot be.</exception>
    public unsafe void Receive(TensorView rows)
    {
        for (int group = 1; group < _end.Length; group++)
        {
            _exchange.WaitFor(_groups.FirstOf(group), _hasAll);
        }

        for (int row = 0; row < rows.Rows; row++)
        {
            new ReadOnlySpan<float>((byte*)_arrived!.Data + ((nint)row * _rowBytes), _rowBytes / sizeof(float)).CopyTo(rows.RowF32(row));
        }
    }

    /// <summary>Another rank, after a step: returns when its rows have left, which rank 0 waits for. Of a group's ranks, which all have the same rows, the first sends them.</summary>
    /// <param name="batch">What it has computed.</param>
    /// <param name="hidden">The batch's rows after the final norm.</param>
    /// <exception cref="PeerException">Rank 0 failed, or a rank sent what cannot be.</exception>
    public void Send(ForwardBatch batch, TensorView hidden)
    {
        if (batch.LogitCount > 0 && _groups.IsFirst(_exchange.Rank))
        {
            (_batch, _hidden, _written) = (batch, hidden, 0);
            _exchange.WaitFor(0, _hasSent);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _arrived?.Dispose();

    /// <inheritdoc/>
    bool ISideMessages.HasMessages => _batch is not null;

    /// <inheritdoc/>
    unsafe int ISideMessages.Write(int peer, Span<byte> memory)
    {
        if (peer != 0 || _batch is null)
        {
            return 0;
        }

        int length = 0;
        while (length < memory.Length && _written < Bytes)
        {
            (nint row, nint offset) = Math.DivRem(_written, _rowBytes);
            int count = Math.Min(memory.Length - length, _rowBytes - (int)offset);
            new ReadOnlySpan<byte>((byte*)_hidden.PointerF32(_batch.LogitRows[(int)row]) + offset, count).CopyTo(memory[length..]);
            length += count;
            _written += count;
        }

        if (_written == Bytes)
        {
            _batch = null;
        }

        return length;
    }

    /// <inheritdoc/>
    unsafe void ISideMessages.Read(int peer, ReadOnlySpan<byte> message)
    {
        int group = _groups.IsFirst(peer) ? _groups.Of(peer)!.Value : 0;
        nint missing = group > 0 && group < _end.Length ? _end[group] - _next[group] : 0;
        if (message.IsEmpty || message.Length > missing)
        {
            throw new PeerException(peer, $"sent {message.Length} bytes of hidden states where {missing} are expected");
        }

        message.CopyTo(new Span<byte>((byte*)_arrived!.Data + _next[group], message.Length));
        _next[group] += message.Length;
    }
}
