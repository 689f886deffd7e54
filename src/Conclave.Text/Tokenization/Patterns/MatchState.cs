using Conclave.Primitives;

namespace Conclave.Text.Patterns;

/// <summary>
/// What matching remembers: open alternatives, registers, and how many steps are left. One per encoded text; the steps bound the work of
/// patterns that try exponentially or quadratically many ways.
/// </summary>
internal sealed class MatchState
{
    // Ordinary patterns take about 10 steps per code point and split.
    private const long StepsPerCodePoint = 300;
    private const int FreeCodePoints = 32_768;
    private const int MaxAlternatives = 1 << 24;
    private const string Advice = "(it backtracks without end); a pattern that repeats nothing that is repeated already is expected";

    private readonly int _codePoints;
    private readonly CancellationToken _cancellation;
    private Alternative[] _alternatives = new Alternative[64];
    private int[] _registers = new int[8];

    public MatchState(int codePoints, CancellationToken cancellation = default)
    {
        _codePoints = codePoints;
        _cancellation = cancellation;
        StepsLeft = MaxSteps;
    }

    public int Open { get; private set; }

    public long StepsLeft { get; private set; }

    private long MaxSteps => ((long)_codePoints + FreeCodePoints) * StepsPerCodePoint;

    public ref int Register(int index) => ref _registers[index];

    public void Begin(int registers)
    {
        Open = 0;
        if (_registers.Length < registers)
        {
            _registers = new int[registers];
        }
    }

    public void Spend(int steps, string pattern)
    {
        _cancellation.ThrowIfCancellationRequested();
        StepsLeft -= steps;
        if (StepsLeft < 0)
        {
            throw new UserErrorException($"the pattern \"{pattern}\" needs more than {MaxSteps} steps for a text of {_codePoints} code points {Advice}");
        }
    }

    /// <summary>Opens <paramref name="count"/> alternatives at once: at instruction, at position … position + count - 1, the last one first.</summary>
    public void Push(int instruction, int position, int count, string pattern, bool lazy = false)
    {
        if (Open == _alternatives.Length)
        {
            if (Open >= MaxAlternatives)
            {
                throw new UserErrorException($"the pattern \"{pattern}\" holds more than {MaxAlternatives} ways open in a text of {_codePoints} code points {Advice}");
            }

            Array.Resize(ref _alternatives, Open * 2);
        }

        _alternatives[Open++] = new Alternative(instruction, position, count, lazy);
    }

    public ref Alternative Top() => ref _alternatives[Open - 1];

    public void Pop() => Open--;

    public void CutTo(int open) => Open = open;

    /// <summary>
    /// Where to go on; a negative instruction restores register ~instruction to Position. A lazy one is a repetition at Position that may
    /// take up to Count members more.
    /// </summary>
    public record struct Alternative(int Instruction, int Position, int Count, bool Lazy);
}
