using System.Runtime.CompilerServices;

namespace Conclave.Primitives;

/// <summary>
/// The scales of a block-quantized matrix (<c>weight_scale_inv</c> of the DeepSeek-V3 release): one binary32 for each
/// <see cref="BlockRows"/> × <see cref="BlockColumns"/> block, the last block of a row or column may be partial.
/// value[r, c] = decode(code[r, c]) · scale[(FirstRow + r) / BlockRows, c / BlockColumns].
/// </summary>
public readonly unsafe struct BlockScales
{
    /// <summary>Views the scales of a matrix.</summary>
    /// <param name="data">The first scale.</param>
    /// <param name="columns">Scales of one row of blocks: ⌈matrix columns ÷ block columns⌉.</param>
    /// <param name="blockRows">Rows of a block.</param>
    /// <param name="blockColumns">Columns of a block.</param>
    /// <param name="firstRow">The matrix row that row 0 of the view is.</param>
    public BlockScales(float* data, nint columns, int blockRows, int blockColumns, nint firstRow = 0)
    {
        Data = data;
        Columns = columns;
        BlockRows = blockRows;
        BlockColumns = blockColumns;
        FirstRow = firstRow;
    }

    /// <summary>False for a matrix without scales.</summary>
    public bool IsPresent => Data is not null;

    /// <summary>The first scale.</summary>
    public float* Data { get; }

    /// <summary>Scales of one row of blocks.</summary>
    public nint Columns { get; }

    /// <summary>Rows of a block.</summary>
    public int BlockRows { get; }

    /// <summary>Columns of a block.</summary>
    public int BlockColumns { get; }

    /// <summary>The row of the whole matrix that is row 0 of the view; blocks are counted from the whole matrix' first row.</summary>
    public nint FirstRow { get; }

    /// <summary>The scales of the blocks that row <paramref name="row"/> of the view crosses, by column block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Row(nint row) => Data + ((FirstRow + row) / BlockRows * Columns);

    /// <summary>The scales as seen from a view that begins <paramref name="rows"/> later.</summary>
    public BlockScales Skip(nint rows) =>
        IsPresent ? new BlockScales(Data, Columns, BlockRows, BlockColumns, FirstRow + rows) : default;
}
