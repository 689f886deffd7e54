using System.Collections.Concurrent;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Block scales of a checkpoint that stores them in a narrower format than kernels take: widened to binary32 once, however often their matrix is asked for. May be used from several
/// threads.
/// </summary>
internal sealed unsafe class WidenedScales : IDisposable
{
    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Room for the scales of a tensor; they are there after <paramref name="fill"/> has been called, by whoever comes first.</summary>
    public float* Get(StoredTensor scales, out Action fill)
    {
        Entry entry = _entries.GetOrAdd(scales.Name, static (_, tensor) => new Entry(tensor), scales);
        fill = entry.Fill;
        return entry.Values;
    }

    public void Dispose()
    {
        foreach (Entry entry in _entries.Values)
        {
            entry.Dispose();
        }
    }

    private sealed class Entry(StoredTensor scales) : IDisposable
    {
        private readonly NativeBuffer _buffer = new(scales.Bytes / scales.Format.Size() * sizeof(float));
        private readonly Lock _lock = new();
        private bool _filled;

        public float* Values => (float*)_buffer.Data;

        public void Fill()
        {
            lock (_lock)
            {
                if (_filled)
                {
                    return;
                }

                nint count = scales.Bytes / scales.Format.Size();
                for (nint i = 0; i < count; i++)
                {
                    Values[i] = Widen(scales.Data, scales.Format, i);
                }

                _filled = true;
            }
        }

        public void Dispose() => _buffer.Dispose();

        private static float Widen(byte* data, ElementFormat format, nint index) => format switch
        {
            ElementFormat.F16 => (float)((Half*)data)[index],
            ElementFormat.BF16 => BFloat16.Decode(((ushort*)data)[index]),
            _ => data[index] == byte.MaxValue ? float.NaN : MathF.ScaleB(1f, data[index] - 127),
        };
    }
}
