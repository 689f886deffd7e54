using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>A tensor as it lies in a mapped file. It borrows the mapping of <see cref="File"/>.</summary>
public sealed unsafe class StoredTensor
{
    private readonly nint[] _shape;
    private readonly byte* _data;

    internal StoredTensor(SafetensorsFile file, SafetensorsHeader.Entry entry, byte* data)
    {
        File = file;
        Name = entry.Name;
        Format = entry.Format;
        _shape = entry.Shape;
        Bytes = checked((nint)(entry.End - entry.Begin));
        _data = data;
    }

    private StoredTensor(StoredTensor tensor, string name)
    {
        File = tensor.File;
        Name = name;
        Format = tensor.Format;
        _shape = tensor._shape;
        Bytes = tensor.Bytes;
        _data = tensor._data;
    }

    /// <summary>Its name in the file, without <see cref="ModelConfig.TensorPrefix"/>.</summary>
    public string Name { get; }

    /// <summary>The file that holds it.</summary>
    public SafetensorsFile File { get; }

    /// <summary>How elements are stored.</summary>
    public ElementFormat Format { get; }

    /// <summary>Its sides, slowest first; empty for a scalar.</summary>
    public ReadOnlySpan<nint> Shape => _shape;

    /// <summary>Bytes of all elements.</summary>
    public nint Bytes { get; }

    /// <summary>The first byte; elements follow each other without gaps. Files of other writers may leave it unaligned.</summary>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public byte* Data
    {
        get
        {
            File.ThrowIfDisposed();
            return _data;
        }
    }

    /// <summary>The shape in the notation of messages: [512, 64].</summary>
    public string ShapeText => TensorText.Shape(_shape);

    internal StoredTensor Named(string name) => new(this, name);

    /// <summary>The tensor as a matrix: rank 1 is one row, rank 0 is 1 × 1.</summary>
    /// <exception cref="UserErrorException">It has more than two dimensions.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public TensorView View => _shape switch
    {
        [] => new TensorView(Data, Format, 1, 1),
        [var columns] => new TensorView(Data, Format, 1, columns),
        [var rows, var columns] => new TensorView(Data, Format, rows, columns),
        _ => throw new UserErrorException($"{File.Path}: tensor \"{Name}\" has shape {ShapeText}; at most two dimensions are expected"),
    };
}
