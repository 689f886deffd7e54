using System.Numerics;
using System.Runtime.InteropServices;
using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Cli.Inspection;

/// <summary>Elements of one tensor that are no numbers.</summary>
internal sealed record NanFinding(StoredTensor Tensor, long Count, long FirstElement);

/// <summary>
/// Reads all tensors of numbers and looks for elements that are NaN or infinite: in FP8 E4M3 the codes 0x7F and 0xFF, which kernels decode as numbers, in F32, F16 and BF16 (norms, scales, embeddings) an
/// exponent of ones. Released weights have none; a file that was damaged may.
/// </summary>
internal static class NanScan
{
    private const int Piece = 16 << 20;

    public static IReadOnlyList<NanFinding> Run(Checkpoint checkpoint, CancellationToken cancellation)
    {
        List<NanFinding> findings = [];
        System.Threading.Tasks.Parallel.ForEach(
            checkpoint.Tensors.Where(tensor => tensor.Format is ElementFormat.F8_E4M3 or ElementFormat.F32 or ElementFormat.F16 or ElementFormat.BF16),
            new ParallelOptions { CancellationToken = cancellation },
            tensor =>
            {
                if (Scan(tensor, cancellation) is { } finding)
                {
                    lock (findings)
                    {
                        findings.Add(finding);
                    }
                }
            });
        return [.. findings.OrderBy(finding => finding.Tensor.Name, StringComparer.Ordinal)];
    }

    private static unsafe NanFinding? Scan(StoredTensor tensor, CancellationToken cancellation)
    {
        long count = 0;
        long first = -1;
        for (nint at = 0; at < tensor.Bytes; at += Piece)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> bytes = new(tensor.Data + at, (int)Math.Min(Piece, tensor.Bytes - at));
            (int here, int firstHere) = tensor.Format switch
            {
                ElementFormat.F8_E4M3 => (bytes.Count((byte)0x7F) + bytes.Count((byte)0xFF), bytes.IndexOfAny((byte)0x7F, (byte)0xFF)),
                ElementFormat.F16 => Find<ushort>(bytes, 0x7C00),
                ElementFormat.BF16 => Find<ushort>(bytes, 0x7F80),
                _ => Find(bytes, 0x7F80_0000u),
            };
            if (here > 0 && first < 0)
            {
                first = (at / tensor.Format.Size()) + firstHere;
            }

            count += here;
        }

        return count > 0 ? new NanFinding(tensor, count, first) : null;
    }

    /// <summary>How many elements have all bits of the exponent, and which is the first.</summary>
    private static (int Count, int First) Find<T>(ReadOnlySpan<byte> bytes, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<T> elements = MemoryMarshal.Cast<byte, T>(bytes);
        (int count, int first) = (0, -1);
        for (int i = 0; i < elements.Length; i++)
        {
            if ((elements[i] & exponent) == exponent)
            {
                first = count++ == 0 ? i : first;
            }
        }

        return (count, first);
    }
}
