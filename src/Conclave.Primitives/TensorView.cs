using System.Runtime.CompilerServices;

namespace Conclave.Primitives;

/// <summary>
/// A matrix somewhere in native memory: a mapped weight, an activation, a vector (one row). It borrows the memory and never owns it. Elements
/// of a row are contiguous; rows are <see cref="RowStride"/> elements apart.
/// </summary>
public readonly unsafe struct TensorView
{
    /// <summary>Views memory as rows × columns elements.</summary>
    /// <param name="data">The first element of the first row.</param>
    /// <param name="format">How elements are stored.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of elements of a row.</param>
    /// <param name="rowStride">Elements from one row to the next; 0 means that rows follow each other.</param>
    /// <param name="scales">Block scales of an FP8 weight; default where there are none.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number of rows or columns is negative.</exception>
    public TensorView(void* data, ElementFormat format, nint rows, nint columns, nint rowStride = 0, BlockScales scales = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Data = (byte*)data;
        Format = format;
        Rows = rows;
        Columns = columns;
        RowStride = rowStride == 0 ? columns : rowStride;
        Scales = scales;
    }

    /// <summary>The first byte of the first row.</summary>
    public byte* Data { get; }

    /// <summary>How elements are stored.</summary>
    public ElementFormat Format { get; }

    /// <summary>Number of rows.</summary>
    public nint Rows { get; }

    /// <summary>Number of elements of a row.</summary>
    public nint Columns { get; }

    /// <summary>Elements from one row to the next.</summary>
    public nint RowStride { get; }

    /// <summary>Block scales of an FP8 weight; <see cref="BlockScales.IsPresent"/> is false where there are none.</summary>
    public BlockScales Scales { get; }

    /// <summary>Bytes of all elements.</summary>
    public nint ByteLength => Rows * Columns * Format.Size();

    /// <summary>The bytes of one row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public ReadOnlySpan<byte> Row(nint row) => new(RowPointer(row), checked((int)(Columns * Format.Size())));

    /// <summary>One row of a binary32 matrix, writable.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="InvalidOperationException">The matrix is not F32.</exception>
    public Span<float> RowF32(nint row) => new(PointerF32(row), checked((int)Columns));

    /// <summary>Address of a row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* RowPointer(nint row)
    {
        if ((nuint)row >= (nuint)Rows)
        {
            throw new ArgumentOutOfRangeException(nameof(row), row, $"the tensor has {Rows} rows");
        }

        return Data + (row * RowStride * Format.Size());
    }

    /// <summary>Address of a row of a binary32 matrix.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="InvalidOperationException">The matrix is not F32.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* PointerF32(nint row)
    {
        if (Format != ElementFormat.F32)
        {
            throw new InvalidOperationException($"a row of F32 was asked of a tensor of {Format}");
        }

        return (float*)RowPointer(row);
    }

    /// <summary>The rows from <paramref name="first"/> on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many rows from there on.</exception>
    public TensorView SliceRows(nint first, nint count)
    {
        if (first < 0 || count < 0 || first > Rows - count)
        {
            throw new ArgumentOutOfRangeException(nameof(first), first, $"rows {first}…{first + count} of {Rows}");
        }

        return new TensorView(
            Data + (first * RowStride * Format.Size()), Format, count, Columns, RowStride, Scales.Skip(first));
    }

    /// <summary>The columns from <paramref name="first"/> on, of an unscaled matrix.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many columns from there on, or the matrix has block scales.</exception>
    public TensorView SliceColumns(nint first, nint count)
    {
        if (first < 0 || count < 0 || first > Columns - count || Scales.IsPresent)
        {
            throw new ArgumentOutOfRangeException(nameof(first), first, $"columns {first}…{first + count} of {Columns}");
        }

        return new TensorView(Data + (first * Format.Size()), Format, Rows, count, RowStride);
    }
}
