namespace Conclave.Text.Patterns;

internal enum Operation : byte
{
    /// <summary>The code point X.</summary>
    Character,

    /// <summary>A member of set X.</summary>
    Set,

    /// <summary>Minimum to Maximum members of set X, as many as there are; gives back one by one.</summary>
    RepeatSet,

    /// <summary>Minimum to Maximum members of set X, as few as suffice.</summary>
    RepeatSetLazy,

    /// <summary>Minimum to Maximum members of set X, as many as there are; gives nothing back.</summary>
    RepeatSetPossessive,

    /// <summary>Goes on with the next instruction; if that fails, at X. Skips to X at once where the next code point is not in set Y (Y ≥ 0).</summary>
    Split,

    /// <summary>Goes on at X; if that fails, with the next instruction.</summary>
    SplitLazy,

    Jump,

    /// <summary>Remembers the place in register X.</summary>
    Mark,

    /// <summary>Leaves a loop for Y when its iteration since Mark consumed nothing.</summary>
    LeaveIfEmpty,

    /// <summary>Remembers in register X how many alternatives are open.</summary>
    OpenCut,

    /// <summary>Drops the alternatives that were opened since OpenCut X.</summary>
    Cut,

    /// <summary>Goes back to the place in register X.</summary>
    Return,

    /// <summary>Fails, and drops the alternatives that were opened since OpenCut X.</summary>
    CutAndFail,

    /// <summary>The next code point is a member of set X.</summary>
    AheadSet,

    /// <summary>There is no next code point, or it is not a member of set X.</summary>
    NotAheadSet,

    /// <summary>Goes X code points back.</summary>
    Back,

    /// <summary>The condition (AnchorKind)X holds here.</summary>
    Anchor,

    Accept,
}

internal readonly record struct Instruction(Operation Operation, int X = 0, int Y = 0, int Minimum = 0, int Maximum = 0);
