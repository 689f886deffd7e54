using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>A segment of weight rows that will be decoded next, asked for a few lines at a time while others are multiplied.</summary>
internal unsafe ref struct WeightsAhead<TLoops>
    where TLoops : struct, IProjectionLoops
{
    private const int CacheLine = 64;

    private readonly nint _stride;
    private readonly nint _bytes;
    private byte* _row;
    private nint _offset;
    private nint _left;

    public WeightsAhead(TensorView weights, nint firstRow, int rows, nint start, nint count)
    {
        _stride = weights.RowStride * TLoops.ElementBytes;
        _bytes = count * TLoops.ElementBytes;
        _row = weights.RowPointer(0) + (firstRow * _stride) + (start * TLoops.ElementBytes);
        _left = rows;
    }

    public readonly nint Lines => _left * ((_bytes + CacheLine - 1) / CacheLine);

    public void Prefetch(nint lines)
    {
        for (; lines > 0 && _left > 0; lines--)
        {
            Sse.Prefetch1(_row + _offset);
            _offset += CacheLine;
            if (_offset >= _bytes)
            {
                _offset = 0;
                _row += _stride;
                _left--;
            }
        }
    }
}

