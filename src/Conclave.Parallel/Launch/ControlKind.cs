namespace Conclave.Parallel.Launch;

/// <summary>What a message of the control channel says. → from a rank (or the agent of a host) to the coordinator, ← back.</summary>
internal enum ControlKind : byte
{
    /// <summary>→ The first message: which rank this is and what it can compute with.</summary>
    Hello = 1,

    /// <summary>→ The first message of a host's agent: which host this is.</summary>
    HostHello,

    /// <summary>← All ranks are here: the world.</summary>
    Welcome,

    /// <summary>→ The leader has a model opened. ← Open it too.</summary>
    Open,

    /// <summary>→ Where this rank's transport is reached.</summary>
    Address,

    /// <summary>← The addresses of all ranks.</summary>
    Addresses,

    /// <summary>→ The model is open.</summary>
    Ready,

    /// <summary>← To the leader: all are ready.</summary>
    Start,

    /// <summary>→ The leader begins a step. ← Compute it too.</summary>
    Step,

    /// <summary>→ The leader begins no more steps. ← The same.</summary>
    End,

    /// <summary>→ The last message: what was sent and how much memory that took.</summary>
    Report,

    /// <summary>→ The rank is alive.</summary>
    Heartbeat,

    /// <summary>→ The rank cannot go on.</summary>
    Failed,

    /// <summary>→ A host's agent: the process of a rank has ended.</summary>
    RankEnded,

    /// <summary>← To the leader: end, as after Ctrl-C.</summary>
    Stop,

    /// <summary>← A rank has failed, or the sender was refused: why.</summary>
    Abort,

    /// <summary>→ How often this rank's tokens chose each expert since its last such message. ← To the leader: the same of all other ranks since they began.</summary>
    Loads,

    /// <summary>→ Something went wrong on this rank that ends nothing; for people.</summary>
    Warning,
}
