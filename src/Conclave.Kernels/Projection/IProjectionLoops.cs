namespace Conclave.Kernels;

/// <summary>
/// The inner loops of a linear projection on one instruction set for one weight format. A group is four binary32 vectors of <see cref="Lanes"/> elements,
/// decoded in a fixed order of the format's own; activations are arranged in the same order. The vectors j of all groups are the class j.
/// </summary>
internal unsafe interface IProjectionLoops
{
    /// <summary>Elements of a binary32 vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>Elements of K in a group: four vectors.</summary>
    static abstract int Group { get; }

    /// <summary>Bytes of a stored weight.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>
    /// What activations are multiplied by on their way into <see cref="Gemv"/> and <see cref="ClassTile"/> (a power of two), because weights are read as the true ones divided by
    /// InputFactor · OutputFactor.
    /// </summary>
    static abstract float InputFactor { get; }

    /// <summary>The same for <see cref="Tile"/> and the weights of <see cref="Decode"/>.</summary>
    static abstract float TileInputFactor { get; }

    /// <summary>What sums are multiplied by (a power of two).</summary>
    static abstract float OutputFactor { get; }

    /// <summary>Largest number of inputs of a <see cref="Gemv"/>.</summary>
    static abstract int GemvInputs { get; }

    /// <summary>Largest number of inputs of a <see cref="Tile"/>.</summary>
    static abstract int TileInputs { get; }

    /// <summary>How many tiles go through one class of a panel before the next class does: as many as the second cache holds the inputs and unfinished sums of, beside the class.</summary>
    static abstract int TilesTogether { get; }

    /// <summary>
    /// Puts whole groups of activations, times a factor, into the order in which weights are decoded: groups <paramref name="stride"/> elements apart, the
    /// four vectors of a group <paramref name="classStride"/>.
    /// </summary>
    static abstract void Arrange(float* natural, float factor, float* arranged, nint stride, nint classStride, nint groups);

    /// <summary>Largest number of inputs of a <see cref="ClassTile"/>.</summary>
    static abstract int ClassInputs { get; }

    /// <summary>How many classes a <see cref="ClassTile"/> of so many inputs computes: one or two.</summary>
    static abstract int ClassesTogether(int count);

    /// <summary>Up to how many inputs decoding weights in registers, again for every <see cref="ClassInputs"/>, is faster than panels.</summary>
    static abstract int MostClassInputs { get; }

    /// <summary>Weight rows of a panel: as many as the second cache holds of a decoded segment, and no more than usually have the same scales.</summary>
    static abstract int PanelRows { get; }

    /// <summary>
    /// Streams of a panel that is decoded for <paramref name="inputs"/> inputs (never fewer for more of them): four, each of one class's binary32 vectors, or, where all weights are exact in the upper half of a
    /// binary32, two: an element holds a weight of one class in its lower half and one of another in its upper half.
    /// </summary>
    static abstract int Streams(int inputs);

    /// <summary>In which of the streams a class lies.</summary>
    static abstract int Stream(int streams, int ofClass);

    /// <summary>Decodes whole groups of weights into the same order: groups <paramref name="stride"/> elements apart, streams <paramref name="streamStride"/>.</summary>
    static abstract void Decode(int streams, byte* weights, float* decoded, nint stride, nint streamStride, nint groups);

    /// <summary>
    /// <see cref="Arrange"/> with a scale for each element instead of one factor: <paramref name="scales"/> has them in the order of decoded weights, group after group, or is null where activations
    /// are taken as they are.
    /// </summary>
    static abstract void Pack(float* natural, float* scales, float* packed, nint stride, nint classStride, nint groups);

    /// <summary>
    /// The sums of <paramref name="count"/> arranged inputs times four weight rows <paramref name="rowBytes"/> apart, of which only the first
    /// <paramref name="rows"/> exist: <paramref name="groups"/> whole groups in segments of <paramref name="segment"/>, and the last, partial group of each row
    /// in <paramref name="tails"/>, a group's bytes apart, unless that is null. Four sums for each input are written; <paramref name="lanes"/> is room for a
    /// vector for each of them.
    /// </summary>
    static abstract void Gemv(
        int count, byte* weights, nint rowBytes, int rows, float* inputs, nint inputStride, nint groups, nint segment, byte* tails, float* lanes, float* sums);

    /// <summary>
    /// One class of a segment, or two that are decoded from the same bits: <paramref name="rows"/> times <paramref name="count"/> packed inputs, of which a class begins <paramref name="classStride"/> elements
    /// after the one before it. <paramref name="pass"/> 0 goes before the others; lanes count as zero where this is the <paramref name="first"/> segment.
    /// </summary>
    static abstract void ClassTile(int count, int pass, in ClassRows rows, float* inputs, nint classStride, in ClassSums unfinished, bool first);

    /// <summary>The sums over the lanes of four rows for each of <paramref name="count"/> inputs, four for each of them.</summary>
    static abstract void AddLanes(int count, float* lanes, float* sums);

    /// <summary>
    /// One class of a segment: four weight rows in its decoded stream times <paramref name="count"/> inputs, both packed: the first vectors of all, then the second ones, …
    /// <paramref name="lanes"/> gets the sums added, and counts as zero where this is the <paramref name="first"/> class of the first segment. If
    /// <paramref name="sums"/> is not null, the sums over lanes are written there instead, four for each input.
    /// </summary>
    static abstract void Tile(int count, int streams, int ofClass, float* weights, float* inputs, nint vectors, float* lanes, bool first, float* sums);

    /// <summary>
    /// <paramref name="count"/> arranged inputs times <paramref name="rows"/> decoded weight rows, a multiple of four, all of <paramref name="groups"/> whole groups, one behind the other: writes the true sums,
    /// a row of <paramref name="output"/> for each input.
    /// </summary>
    static abstract void ShortTile(int count, int rows, float* weights, float* inputs, nint groups, float* output, nint outputStride);
}
