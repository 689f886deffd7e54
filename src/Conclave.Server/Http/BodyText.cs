using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Conclave.Server.Http;

/// <summary>The bytes of a request's body, as far as they were read.</summary>
internal sealed class BodyText(HttpRequest request)
{
    private const int FirstBytes = 4096;

    private readonly PipeReader _reader = request.BodyReader;
    private readonly ArrayBufferWriter<byte> _bytes = new(FirstBytes);

    /// <summary>What was read, without the byte order mark that some programs write.</summary>
    public ReadOnlyMemory<byte> Content => _bytes.WrittenSpan.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? _bytes.WrittenMemory[3..] : _bytes.WrittenMemory;

    /// <summary>Reads on, until the body ends or so many bytes of it were read.</summary>
    /// <param name="most">Bytes of the whole body, those read before included.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <returns>Whether the body has ended.</returns>
    /// <exception cref="ClientGoneException">The client left before its end.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled by the token.</exception>
    public async ValueTask<bool> ReadAsync(int most, CancellationToken cancellation)
    {
        // Not by the token itself: a read that it cancels would still be under way for Kestrel, which reads on before the next request.
        using CancellationTokenRegistration registration = cancellation.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), _reader);
        while (_bytes.WrittenCount < most)
        {
            ReadResult result = await NextAsync();
            ReadOnlySequence<byte> next = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, most - _bytes.WrittenCount));
            foreach (ReadOnlyMemory<byte> part in next)
            {
                _bytes.Write(part.Span);
            }

            _reader.AdvanceTo(next.End);
            cancellation.ThrowIfCancellationRequested();
            if (result.IsCompleted && next.Length == result.Buffer.Length)
            {
                return true;
            }
        }

        return false;
    }

    private async ValueTask<ReadResult> NextAsync()
    {
        try
        {
            return await _reader.ReadAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is ConnectionResetException or ConnectionAbortedException)
        {
            throw new ClientGoneException();
        }
    }
}
