using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Primitives;

namespace Conclave.Models;

/// <summary>
/// The paged cache of multi-head latent attention: for each layer and token the normalized latent and the rotated key, nothing else
/// (DeepSeek-V2, section 2.1.2), in blocks of 64 tokens that any sequence may hold in any order.
/// </summary>
public sealed unsafe class LatentCache : IDisposable
{
    private readonly NativeBuffer[] _layers;
    private readonly int _cacheDim;

    /// <summary>Allocates a cache. The system backs it with memory as blocks are first written.</summary>
    /// <param name="layers">Layers that have a part of it.</param>
    /// <param name="cacheDim">Elements of a token: kv_lora_rank + qk_rope_head_dim.</param>
    /// <param name="format">F32 or BF16.</param>
    /// <param name="blocks">Blocks of 64 tokens.</param>
    /// <exception cref="ArgumentException">The format is neither F32 nor BF16.</exception>
    /// <exception cref="UserErrorException">The system has no such memory.</exception>
    public LatentCache(int layers, int cacheDim, ElementFormat format, int blocks)
    {
        if (format is not (ElementFormat.F32 or ElementFormat.BF16))
        {
            throw new ArgumentException($"the cache holds F32 or BF16, not {format}", nameof(format));
        }

        _cacheDim = cacheDim;
        Format = format;
        Blocks = blocks;
        _layers = new NativeBuffer[layers];
        nint bytes = checked((nint)blocks * LatentPages.TokensPerBlock * cacheDim * format.Size());
        try
        {
            for (int layer = 0; layer < layers; layer++)
            {
                _layers[layer] = new NativeBuffer(bytes);
            }
        }
        catch (OutOfMemoryException e)
        {
            Array.ForEach(_layers, layer => layer?.Dispose());
            throw new UserErrorException(
                $"a latent cache of {(long)blocks * LatentPages.TokensPerBlock} tokens takes {(Int128)layers * bytes} bytes, which the system does not have; make it smaller (--cache-memory), or contexts shorter (--context, --decode) or fewer (--batch)",
                e);
        }
    }

    /// <summary>How elements are stored.</summary>
    public ElementFormat Format { get; }

    /// <summary>Number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>Bytes that one token takes over all layers.</summary>
    public static long BytesPerToken(ModelConfig config, ElementFormat format) =>
        (long)config.Layers * (config.LatentDim + config.RopeDim) * format.Size();

    /// <summary>Blocks that a sequence of that many tokens needs.</summary>
    public static int BlocksFor(int tokens) => (tokens + LatentPages.TokensPerBlock - 1) / LatentPages.TokensPerBlock;

    /// <summary>One layer, as attention reads it.</summary>
    public LatentPages Pages(int layer) => new(_layers[layer].Data, Format, _cacheDim, Blocks);

    /// <summary>Copies a block in all layers.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such block.</exception>
    public void CopyBlock(int from, int to)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)from, (uint)Blocks, nameof(from));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)to, (uint)Blocks, nameof(to));
        int bytes = checked(LatentPages.TokensPerBlock * _cacheDim * Format.Size());
        foreach (NativeBuffer layer in _layers)
        {
            byte* data = (byte*)layer.Data;
            new ReadOnlySpan<byte>(data + ((nint)from * bytes), bytes).CopyTo(new Span<byte>(data + ((nint)to * bytes), bytes));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer layer in _layers)
        {
            layer.Dispose();
        }
    }
}
