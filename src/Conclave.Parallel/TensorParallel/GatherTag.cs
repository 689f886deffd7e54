namespace Conclave.Parallel.TensorParallel;

/// <summary>The tag of a gather's message: which part of which call it is.</summary>
/// <param name="Call">Calls before this one.</param>
/// <param name="Message">Messages of the call before this one.</param>
internal readonly record struct GatherTag(uint Call, uint Message)
{
    public ulong Encode() => ((ulong)Call << 32) | Message;

    public static GatherTag Decode(ulong code) => new((uint)(code >> 32), (uint)code);
}
