using Conclave.Primitives;

namespace Conclave.Parallel.TensorParallel;

/// <summary>The elements of a matrix in the order of a message: row by row without gaps.</summary>
internal static class PartElements
{
    /// <summary>Their number.</summary>
    public static nint Count(TensorView part) => checked(part.Rows * part.Columns);

    /// <summary>Copies elements from <paramref name="first"/> on to a message.</summary>
    public static void Read(TensorView part, nint first, Span<float> message)
    {
        while (!message.IsEmpty)
        {
            Span<float> run = Run(part, first, message.Length);
            run.CopyTo(message);
            message = message[run.Length..];
            first += run.Length;
        }
    }

    /// <summary>Copies elements from <paramref name="first"/> on from a message.</summary>
    public static void Write(TensorView part, nint first, ReadOnlySpan<float> message)
    {
        while (!message.IsEmpty)
        {
            Span<float> run = Run(part, first, message.Length);
            message[..run.Length].CopyTo(run);
            message = message[run.Length..];
            first += run.Length;
        }
    }

    private static Span<float> Run(TensorView part, nint first, int most)
    {
        (nint row, nint column) = Math.DivRem(first, part.Columns);
        return part.RowF32(row).Slice((int)column, (int)nint.Min(most, part.Columns - column));
    }
}
