namespace Conclave.Parallel.Launch;

/// <summary>Why a launch failed.</summary>
/// <param name="Rank">The rank that failed first.</param>
/// <param name="Cause">A sentence that names the rank and the cause.</param>
public sealed record LaunchFailure(int Rank, string Cause);
