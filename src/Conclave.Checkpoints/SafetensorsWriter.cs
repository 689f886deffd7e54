using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Writes a safetensors file as a stream: all tensors are declared first, then their bytes are appended in the same order, so that a file
/// of any size needs little memory. The file has another name until <see cref="Complete"/>: whoever finds it under its own name finds it
/// whole.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private const int Alignment = 8;
    private const int LargestWrite = 1 << 26;

    private readonly string _path;
    private readonly string _target;
    private readonly string _temporaryPath;
    private readonly FileStream _stream;
    private readonly TensorDeclaration[] _tensors;
    private readonly long _end;
    private long _position;
    private bool _completed;

    /// <summary>Creates the file and writes its header.</summary>
    /// <param name="path">The file; replaced where it exists. A link stays, and what it leads to is replaced.</param>
    /// <param name="tensors">
    /// All tensors in the order in which their bytes will come. Wide elements first keeps every tensor aligned to its elements.
    /// </param>
    /// <param name="metadata">The header's <c>__metadata__</c>; none where null.</param>
    /// <exception cref="UserErrorException">There is a folder, a device or a pipe; the file cannot be created, or the disk is full.</exception>
    /// <exception cref="ArgumentException">A name is used twice or reserved, a side is negative, or the header exceeds 100 MB.</exception>
    public SafetensorsWriter(
        string path, IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _path = path;
        _target = Guard(() => Target(path));
        _temporaryPath = $"{_target}.partial";
        _tensors = [.. tensors];
        byte[] header = Header(_tensors, metadata, out long dataBytes);
        _stream = Guard(() => new FileStream(_temporaryPath, new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0, PreallocationSize = header.Length + dataBytes,
        }));
        try
        {
            Guard(() => _stream.Write(header));
        }
        catch
        {
            Dispose();
            throw;
        }

        _end = dataBytes;
    }

    /// <summary>Bytes of a file with these tensors, header included.</summary>
    public static long FileBytes(IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        Header([.. tensors], metadata, out long dataBytes).Length + dataBytes;

    /// <summary>Appends bytes: of the first tensor first, of the next one when that is complete. A call may cross tensors.</summary>
    /// <exception cref="UserErrorException">The file cannot be written, for example because the disk is full.</exception>
    /// <exception cref="InvalidOperationException">These are more bytes than were declared.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _end - _position)
        {
            throw new InvalidOperationException($"{_path}: {_position + bytes.Length} bytes of tensors written, {_end} declared");
        }

        try
        {
            _stream.Write(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }

        _position += bytes.Length;
    }

    /// <summary>Appends a tensor that lies in native memory.</summary>
    /// <inheritdoc cref="Append(ReadOnlySpan{byte})"/>
    public unsafe void Append(TensorView tensor)
    {
        if (tensor.RowStride == tensor.Columns)
        {
            for (nint done = 0; done < tensor.ByteLength; done += LargestWrite)
            {
                Append(new ReadOnlySpan<byte>(tensor.Data + done, (int)Math.Min(LargestWrite, tensor.ByteLength - done)));
            }

            return;
        }

        for (nint row = 0; row < tensor.Rows; row++)
        {
            Append(tensor.Row(row));
        }
    }

    /// <summary>Flushes the file and gives it its name.</summary>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    /// <exception cref="InvalidOperationException">Bytes of a declared tensor are missing.</exception>
    public void Complete()
    {
        if (_position != _end)
        {
            throw new InvalidOperationException($"{_path}: {_position} bytes of tensors written, {_end} declared");
        }

        Guard(() =>
        {
            _stream.Dispose();
            File.Move(_temporaryPath, _target, overwrite: true);
        });
        _completed = true;
    }

    /// <summary>Closes the file; what was not completed is deleted.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        if (!_completed)
        {
            File.Delete(_temporaryPath);
        }
    }

    private static string Target(string path)
    {
        string target = new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
        return RegularFile.Is(target) ? target : throw new UserErrorException($"{path}: a folder, a device or a pipe, whose place a file would take; name a file, one that exists or a new one");
    }

    private static byte[] Header(TensorDeclaration[] tensors, IReadOnlyDictionary<string, string>? metadata, out long dataBytes)
    {
        HashSet<string> names = new(StringComparer.Ordinal) { "__metadata__" };
        ArrayBufferWriter<byte> text = new();
        dataBytes = 0;
        using (Utf8JsonWriter json = new(text))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            foreach (TensorDeclaration tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new ArgumentException($"tensor \"{tensor.Name}\" is declared twice, or its name is reserved", nameof(tensors));
                }

                WriteEntry(json, tensor, dataBytes);
                dataBytes = checked(dataBytes + tensor.Bytes);
            }

            json.WriteEndObject();
        }

        int padded = (text.WrittenCount + Alignment - 1) / Alignment * Alignment;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(padded, SafetensorsHeader.MaxBytes, nameof(tensors));
        byte[] header = new byte[SafetensorsHeader.PrefixBytes + padded];
        BinaryPrimitives.WriteInt64LittleEndian(header, padded);
        header.AsSpan(SafetensorsHeader.PrefixBytes).Fill((byte)' ');
        text.WrittenSpan.CopyTo(header.AsSpan(SafetensorsHeader.PrefixBytes));
        return header;
    }

    private static void WriteEntry(Utf8JsonWriter json, TensorDeclaration tensor, long begin)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.Format.ToString());
        json.WriteStartArray("shape");
        foreach (nint side in tensor.Shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(side, tensor.Name);
            json.WriteNumberValue(side);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(checked(begin + tensor.Bytes));
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void Guard(Action write) => Guard(() =>
    {
        write();
        return true;
    });

    private T Guard<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(e);
        }
    }

    private UserErrorException CannotWrite(Exception e) => new($"{_path}: cannot be written: {e.Message}", e);
}
