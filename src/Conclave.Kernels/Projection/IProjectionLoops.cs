namespace Conclave.Kernels;

/// <summary>
/// The inner loops of a linear projection on one instruction set for one weight format. A group is what one vector load of weights holds: as many
/// elements as fit, decoded into one to four binary32 vectors of <see cref="Lanes"/> elements in a fixed order of the format's own; activations
/// are arranged in the same order.
/// </summary>
internal unsafe interface IProjectionLoops
{
    /// <summary>Elements of a binary32 vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>Elements of K in a group.</summary>
    static abstract int Group { get; }

    /// <summary>Bytes of a stored weight.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>
    /// What activations are multiplied by on their way into <see cref="Gemv"/> (a power of two), because weights are read as the true ones divided by
    /// InputFactor · OutputFactor.
    /// </summary>
    static abstract float InputFactor { get; }

    /// <summary>The same for <see cref="Tile"/> and the weights of <see cref="Decode"/>.</summary>
    static abstract float TileInputFactor { get; }

    /// <summary>What sums are multiplied by (a power of two).</summary>
    static abstract float OutputFactor { get; }

    /// <summary>Up to how many inputs decode weights in registers, by <see cref="Gemv"/>, and not into memory first.</summary>
    static abstract int GemvInputs { get; }

    /// <summary>Largest number of inputs of a tile.</summary>
    static abstract int TileInputs { get; }

    /// <summary>Puts whole groups of activations, times a factor, into the order in which weights are decoded; vectors are <paramref name="stride"/> elements apart.</summary>
    static abstract void Arrange(float* natural, float factor, float* arranged, nint stride, nint groups);

    /// <summary>Decodes whole groups of weights; vectors are <paramref name="stride"/> elements apart.</summary>
    static abstract void Decode(byte* weights, float* decoded, nint stride, nint groups);

    /// <summary>Multiplies <paramref name="count"/> packed inputs with the arranged scales of their elements.</summary>
    static abstract void Scale(int count, float* packed, float* scales, float* scaled, nint vectors);

    /// <summary>
    /// The sums of <paramref name="count"/> arranged inputs and four weight rows <paramref name="rowBytes"/> apart, of which only the first
    /// <paramref name="rows"/> exist; <paramref name="tails"/> holds the last, partial group of each row, a group's bytes apart, or is null. Four sums for
    /// each input are written.
    /// </summary>
    static abstract void Gemv(
        int count, byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, byte* tails, float* sums);

    /// <summary>
    /// The sums of four decoded weight rows and <paramref name="count"/> inputs, both packed: the first vectors of all, then the second ones, … They are
    /// continued lane by lane: <paramref name="partials"/> holds one vector for each input and row, read unless this is the first stretch of K, and
    /// written unless <paramref name="sums"/> asks for four sums for each input.
    /// </summary>
    static abstract void Tile(int count, float* weights, float* inputs, nint vectors, float* partials, bool first, float* sums);
}
