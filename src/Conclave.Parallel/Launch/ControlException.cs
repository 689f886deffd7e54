namespace Conclave.Parallel.Launch;

/// <summary>The other end of a control channel sent what it may not. The message is the end of a sentence about it: "sent …".</summary>
internal sealed class ControlException(string what) : Exception(what);
