using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Conclave.Primitives;

/// <summary>
/// Memory outside the managed heap, aligned to 64 bytes (one cache line, one AVX-512 vector) and zeroed. The system backs large buffers page by page
/// as they are first written. The owner disposes it; views that borrow it must not be used afterwards.
/// </summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    private const nint Alignment = 64;
    private void* _allocation;
    private readonly byte* _data;

    /// <summary>Allocates <paramref name="bytes"/> zeroed bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative.</exception>
    /// <exception cref="OutOfMemoryException">The system has no such memory.</exception>
    public NativeBuffer(nint bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Length = bytes;

        // calloc, not an aligned allocation and a memset: the latter would touch every page of a cache that may never fill.
        _allocation = NativeMemory.AllocZeroed((nuint)checked(bytes + Alignment));
        _data = (byte*)(((nint)_allocation + Alignment - 1) & -Alignment);
        HugePages.Request(_data, bytes);
    }

    /// <summary>Frees memory that nobody disposed.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Size in bytes.</summary>
    public nint Length { get; }

    /// <summary>First byte.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public byte* Data
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            ObjectDisposedException.ThrowIf(_allocation is null, this);
            return _data;
        }
    }

    /// <summary>Allocates a matrix of binary32 and returns the view of it; the buffer owns the memory.</summary>
    public static NativeBuffer ForF32(nint rows, nint columns, out TensorView view)
    {
        NativeBuffer buffer = new(checked(rows * columns * sizeof(float)));
        view = new TensorView(buffer.Data, ElementFormat.F32, rows, columns);
        return buffer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_allocation);
        _allocation = null;
    }
}
