using Conclave.Checkpoints;
using Conclave.Primitives;

namespace Conclave.Cli.Inspection;

/// <summary>NaN codes in one tensor.</summary>
internal sealed record NanFinding(StoredTensor Tensor, long Count, long FirstElement);

/// <summary>
/// Reads all weights in FP8 E4M3 and looks for the codes 0x7F and 0xFF, which are NaN. Kernels decode them as numbers, for released weights have
/// none; a file that was damaged may.
/// </summary>
internal static class NanScan
{
    private const int Piece = 16 << 20;

    public static IReadOnlyList<NanFinding> Run(Checkpoint checkpoint, CancellationToken cancellation)
    {
        List<NanFinding> findings = [];
        System.Threading.Tasks.Parallel.ForEach(
            checkpoint.Tensors.Where(tensor => tensor.Format == ElementFormat.F8_E4M3),
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
            ReadOnlySpan<byte> codes = new(tensor.Data + at, (int)Math.Min(Piece, tensor.Bytes - at));
            int here = codes.Count((byte)0x7F) + codes.Count((byte)0xFF);
            if (here > 0 && first < 0)
            {
                first = at + codes.IndexOfAny((byte)0x7F, (byte)0xFF);
            }

            count += here;
        }

        return count > 0 ? new NanFinding(tensor, count, first) : null;
    }
}
