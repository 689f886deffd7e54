using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// One safetensors file, mapped into memory: nothing is read until a tensor's bytes are touched. Its header is checked whole before the
/// first tensor is handed out. A file that is truncated while it is mapped ends the process (SIGBUS); nothing can catch that.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _start;
    private readonly byte* _data;
    private readonly Dictionary<string, StoredTensor> _byName;
    private bool _disposed;

    private SafetensorsFile(string path, FileStream stream)
    {
        Path = path;
        Length = stream.Length;
        SafetensorsHeader header = ReadHeader(path, stream, out long dataOffset);
        if (Length > dataOffset)
        {
            _mapping = MemoryMappedFile.CreateFromFile(
                stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            _view = _mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            byte* start = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            _start = start + _view.PointerOffset;
            _data = _start + dataOffset;
            HugePages.Request(_start, (nint)Length);
        }

        StoredTensor[] tensors = new StoredTensor[header.Tensors.Count];
        _byName = new Dictionary<string, StoredTensor>(tensors.Length, StringComparer.Ordinal);
        for (int i = 0; i < tensors.Length; i++)
        {
            SafetensorsHeader.Entry entry = header.Tensors[i];
            tensors[i] = new StoredTensor(this, entry, _data + entry.Begin);
            _byName.Add(entry.Name, tensors[i]);
        }

        Tensors = tensors;
    }

    /// <summary>The path it was opened with.</summary>
    public string Path { get; }

    /// <summary>Bytes of the whole file.</summary>
    public long Length { get; }

    /// <summary>All tensors, by their place in the file.</summary>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <summary>Opens and maps a file.</summary>
    /// <exception cref="UserErrorException">
    /// The file is missing, unreadable or truncated, or its header is malformed; the message names file, tensor or JSON path and value.
    /// </exception>
    public static SafetensorsFile Open(string path)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return new SafetensorsFile(path, stream);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserErrorException($"{path}: there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The tensor of that name.</summary>
    /// <exception cref="UserErrorException">The file has no such tensor.</exception>
    public StoredTensor Get(string name) =>
        TryGet(name, out StoredTensor? tensor) ? tensor : throw new UserErrorException($"{Path}: there is no tensor \"{name}\"");

    /// <summary>The tensor of that name, if the file has it.</summary>
    public bool TryGet(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out StoredTensor? tensor) =>
        _byName.TryGetValue(name, out tensor);

    /// <summary>Turns what the system's cache has of the file in small pages into huge ones; see <see cref="Checkpoint.PromotePages"/>.</summary>
    /// <param name="stayMapped">Whether pages may stay mapped that nothing has used yet.</param>
    /// <param name="cancellation">Stops it between two pages; what was done stays.</param>
    /// <returns>How many huge pages came into being.</returns>
    /// <exception cref="IOException">The file has gone, or this system has no /proc.</exception>
    public int PromotePages(bool stayMapped, CancellationToken cancellation) => _view is null ? 0 : HugePagePromotion.Run(Path, _start, Length, stayMapped, cancellation);

    /// <summary>Unmaps the file: every view of its tensors is invalid from here on.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _view?.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _mapping?.Dispose();
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    private static SafetensorsHeader ReadHeader(string path, FileStream stream, out long dataOffset)
    {
        if (stream.Length < SafetensorsHeader.PrefixBytes)
        {
            throw new UserErrorException($"{path}: {stream.Length} bytes; a safetensors file begins with 8 bytes of header length");
        }

        Span<byte> start = stackalloc byte[GitLfsPointer.PrefixBytes];
        GitLfsPointer.Refuse(path, start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)]);
        ReadOnlySpan<byte> prefix = start[..SafetensorsHeader.PrefixBytes];
        stream.Position = prefix.Length;
        byte[] json = new byte[SafetensorsHeader.Length(path, BinaryPrimitives.ReadUInt64LittleEndian(prefix), stream.Length)];
        stream.ReadExactly(json);
        dataOffset = SafetensorsHeader.PrefixBytes + json.Length;
        return SafetensorsHeader.Parse(path, json, stream.Length - dataOffset);
    }
}
