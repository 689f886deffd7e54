namespace Conclave.Kernels;

/// <summary>Places pieces in scratch memory one after the other, each at a multiple of 64 bytes.</summary>
internal struct ScratchLayout
{
    private const nint Alignment = 64;

    /// <summary>Bytes of all pieces.</summary>
    public nint Size { get; private set; }

    /// <summary>Adds a piece and returns where it begins.</summary>
    public nint Bytes(nint bytes)
    {
        nint start = Size;
        Size = checked(start + ((bytes + Alignment - 1) & -Alignment));
        return start;
    }

    /// <summary>Adds a piece of binary32 values and returns where it begins.</summary>
    public nint Floats(nint count) => Bytes(checked(count * sizeof(float)));
}
