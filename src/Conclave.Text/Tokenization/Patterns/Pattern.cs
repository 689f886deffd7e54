using Conclave.Primitives;
using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>
/// A regular expression over code points with Oniguruma's syntax and meaning, matched by backtracking with an explicit stack: long texts
/// need no deep recursion, and a repeated set is one entry however long its run.
/// </summary>
internal sealed class Pattern
{
    private readonly string _text;
    private readonly Instruction[] _program;
    private readonly CodePointBitmap[] _bitmaps;
    private readonly CodePointBitmap? _start;
    private readonly int _registers;

    /// <exception cref="UserErrorException">The pattern is not valid, uses what is not supported, or is too large.</exception>
    public Pattern(string text)
        : this(text, PatternParser.Parse(text))
    {
    }

    private Pattern(string text, PatternNode node)
    {
        _text = text;
        PatternCompiler compiler = new(text, node);
        _program = compiler.Program;
        _bitmaps = compiler.Bitmaps;
        _registers = compiler.Registers;
        _start = compiler.Start >= 0 ? _bitmaps[compiler.Start] : null;
    }

    /// <summary>A pattern that matches one text as it is.</summary>
    public static Pattern Literal(string text) => new(
        text, new PatternNode.Sequence([.. text.EnumerateRunes().Select(static rune => new PatternNode.Set(CodePointSet.Of(rune.Value)))]));

    /// <summary>
    /// The next match of a left-to-right scan, or false at its end. As in Oniguruma's scan, an empty match right behind the match before does
    /// not count.
    /// </summary>
    /// <param name="text">Code points.</param>
    /// <param name="last">End of the match before, or -1.</param>
    /// <param name="state">What may be spent.</param>
    /// <param name="start">Where the match begins.</param>
    /// <param name="end">Where it ends.</param>
    public bool TryNext(ReadOnlySpan<int> text, int last, MatchState state, out int start, out int end)
    {
        bool found = TryFind(text, Math.Max(last, 0), state, out start, out end);
        return found && start == end && end == last ? TryFind(text, last + 1, state, out start, out end) : found;
    }

    /// <summary>Finds the first match that begins at or after a place.</summary>
    /// <exception cref="UserErrorException">The steps of <paramref name="state"/> are used up.</exception>
    public bool TryFind(ReadOnlySpan<int> text, int from, MatchState state, out int start, out int end)
    {
        for (start = from; start <= text.Length; start++)
        {
            if (_start is not null)
            {
                while (start < text.Length && !_start.Contains(text[start]))
                {
                    start++;
                }

                if (start == text.Length)
                {
                    break;
                }
            }

            end = MatchAt(text, start, state);
            if (end >= 0)
            {
                return true;
            }
        }

        end = -1;
        return false;
    }

    // The end of the match that begins at start, or -1.
    private int MatchAt(ReadOnlySpan<int> text, int start, MatchState state)
    {
        state.Begin(_registers);
        Instruction[] program = _program;
        int pc = 0;
        int at = start;
        int steps = 0;
        while (true)
        {
            if (++steps >= 1024)
            {
                state.Spend(steps, _text);
                steps = 0;
            }

            ref readonly Instruction step = ref program[pc];
            bool ok = true;
            switch (step.Operation)
            {
                case Operation.Character:
                    ok = at < text.Length && text[at] == step.X;
                    at++;
                    break;
                case Operation.Set:
                    ok = at < text.Length && _bitmaps[step.X].Contains(text[at]);
                    at++;
                    break;
                case Operation.RepeatSet or Operation.RepeatSetPossessive:
                    int count = Run(text, at, _bitmaps[step.X], step.Maximum);
                    steps += count;
                    ok = count >= step.Minimum;
                    if (ok && count > step.Minimum && step.Operation == Operation.RepeatSet)
                    {
                        state.Push(pc + 1, at + step.Minimum, count - step.Minimum, _text);
                    }

                    at += count;
                    break;
                case Operation.RepeatSetLazy:
                    ok = Run(text, at, _bitmaps[step.X], step.Minimum) == step.Minimum;
                    at += step.Minimum;
                    if (ok && step.Maximum > step.Minimum)
                    {
                        state.Push(pc, at, step.Maximum - step.Minimum, _text, lazy: true);
                    }

                    break;
                case Operation.Split:
                    if (step.Y >= 0 && !(at < text.Length && _bitmaps[step.Y].Contains(text[at])))
                    {
                        pc = step.X;
                        continue;
                    }

                    state.Push(step.X, at, 1, _text);
                    break;
                case Operation.SplitLazy:
                    state.Push(pc + 1, at, 1, _text);
                    pc = step.X;
                    continue;
                case Operation.Jump:
                    pc = step.X;
                    continue;
                case Operation.Mark:
                    state.Push(~step.X, state.Register(step.X), 1, _text);
                    state.Register(step.X) = at;
                    break;
                case Operation.LeaveIfEmpty:
                    if (state.Register(step.X) == at)
                    {
                        pc = step.Y;
                        continue;
                    }

                    break;
                case Operation.OpenCut:
                    state.Register(step.X) = state.Open;
                    break;
                case Operation.Cut:
                    state.CutTo(state.Register(step.X));
                    break;
                case Operation.Return:
                    at = state.Register(step.X);
                    break;
                case Operation.CutAndFail:
                    state.CutTo(state.Register(step.X));
                    ok = false;
                    break;
                case Operation.AheadSet:
                    ok = at < text.Length && _bitmaps[step.X].Contains(text[at]);
                    break;
                case Operation.NotAheadSet:
                    ok = at >= text.Length || !_bitmaps[step.X].Contains(text[at]);
                    break;
                case Operation.Back:
                    at -= step.X;
                    ok = at >= 0;
                    break;
                case Operation.Anchor:
                    ok = PatternAnchors.Holds((AnchorKind)step.X, text, at);
                    break;
                default:
                    state.Spend(steps, _text);
                    return at;
            }

            if (ok)
            {
                pc++;
            }
            else if (!TryResume(text, state, ref pc, ref at))
            {
                state.Spend(steps, _text);
                return -1;
            }
        }
    }

    private bool TryResume(ReadOnlySpan<int> text, MatchState state, ref int pc, ref int at)
    {
        while (state.Open > 0)
        {
            ref MatchState.Alternative top = ref state.Top();
            if (top.Instruction < 0)
            {
                state.Register(~top.Instruction) = top.Position;
                state.Pop();
                continue;
            }

            if (top.Lazy)
            {
                // One member more; Count says how many more there may be.
                if (top.Position >= text.Length || !_bitmaps[_program[top.Instruction].X].Contains(text[top.Position]))
                {
                    state.Pop();
                    continue;
                }

                at = ++top.Position;
                pc = top.Instruction + 1;
                if (--top.Count == 0)
                {
                    state.Pop();
                }

                return true;
            }

            pc = top.Instruction;
            at = top.Position + --top.Count;
            if (top.Count == 0)
            {
                state.Pop();
            }

            return true;
        }

        return false;
    }

    private static int Run(ReadOnlySpan<int> text, int at, CodePointBitmap members, int maximum)
    {
        int limit = (int)Math.Min((long)at + maximum, text.Length);
        int end = at;
        while (end < limit && members.Contains(text[end]))
        {
            end++;
        }

        return end - at;
    }
}
