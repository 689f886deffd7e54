using System.Runtime.InteropServices;
using Conclave.Primitives;

namespace Conclave.Transport.InProcess;

/// <summary>
/// The messages of one rank to another inside a process: two rings between one producer and one consumer each, without locks. One carries messages forward, the other carries the numbers of
/// released buffers back.
/// </summary>
internal sealed unsafe class MessageRing
{
    private readonly int _credits;
    private readonly int _stride;
    private readonly NativeBuffer _memory;
    private readonly nint _offset;
    private readonly Entry[] _messages;
    private readonly int[] _free;
    private readonly bool[] _held;
    private Cursors _cursors;

    /// <summary>
    /// A ring whose buffers lie at <paramref name="offset"/> of the receiver's memory, <paramref name="stride"/> bytes apart. It keeps that memory: a rank may still use its endpoint when nobody
    /// has the fabric any more.
    /// </summary>
    public MessageRing(NativeBuffer memory, nint offset, int credits, int stride)
    {
        _credits = credits;
        _stride = stride;
        _memory = memory;
        _offset = offset;
        _messages = new Entry[credits];
        _free = [.. Enumerable.Range(0, credits)];
        _held = new bool[credits];
        _cursors.Released = credits;
    }

    /// <summary>The sender's side: copies a message into a free buffer; false where there is none.</summary>
    public bool TryPut(ulong tag, NativeSlice payload)
    {
        if (_cursors.Taken == Volatile.Read(ref _cursors.Released))
        {
            return false;
        }

        int buffer = _free[_cursors.Taken++ % _credits];
        payload.Span.CopyTo(new Span<byte>(Buffer(buffer), _stride));
        _messages[_cursors.Put % _credits] = new Entry(tag, buffer, payload.Length);
        Volatile.Write(ref _cursors.Put, _cursors.Put + 1);
        return true;
    }

    /// <summary>The receiver's side: the next message, which stays in its buffer until <see cref="Release"/>.</summary>
    public bool TryGet(int peer, out Completion received)
    {
        if (_cursors.Got == Volatile.Read(ref _cursors.Put))
        {
            received = default;
            return false;
        }

        Entry entry = _messages[_cursors.Got++ % _credits];
        _held[entry.Buffer] = true;
        received = Completion.Received(peer, entry.Tag, new NativeSlice(Buffer(entry.Buffer), entry.Length), entry.Buffer);
        return true;
    }

    /// <summary>The receiver's side: gives a buffer back to the sender.</summary>
    public void Release(int buffer)
    {
        if (!_held[buffer])
        {
            throw new InvalidOperationException("the message was released before");
        }

        _held[buffer] = false;
        _free[_cursors.Released % _credits] = buffer;
        Volatile.Write(ref _cursors.Released, _cursors.Released + 1);
    }

    private byte* Buffer(int number) => _memory.Data + _offset + ((nint)number * _stride);

    private readonly record struct Entry(ulong Tag, int Buffer, int Length);

    // Counts that only grow, each on the cache line of the thread that writes it.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Cursors
    {
        [FieldOffset(64)]
        public long Put;
        [FieldOffset(72)]
        public long Taken;
        [FieldOffset(128)]
        public long Got;
        [FieldOffset(136)]
        public long Released;
    }
}
