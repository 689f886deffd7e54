using Conclave.Primitives;
using Conclave.Text.Unicode;

namespace Conclave.Text.Patterns;

/// <summary>Turns a parsed pattern into instructions.</summary>
internal sealed class PatternCompiler
{
    // Counted repetitions are unrolled: nested ones multiply.
    private const int MaxInstructions = 20_000;

    private readonly string _pattern;
    private readonly List<Instruction> _program = [];
    private readonly List<CodePointBitmap> _bitmaps = [];
    private readonly Dictionary<string, int> _bitmapOfEdges = new(StringComparer.Ordinal);

    public PatternCompiler(string pattern, PatternNode node)
    {
        _pattern = pattern;
        Emit(node);
        Add(new Instruction(Operation.Accept));
        (CodePointSet set, bool canBeEmpty) = First(node);
        Start = canBeEmpty ? -1 : Bitmap(set);
    }

    public Instruction[] Program => [.. _program];

    public CodePointBitmap[] Bitmaps => [.. _bitmaps];

    public int Registers { get; private set; }

    /// <summary>The set that holds the first code point of every match, or -1 where a match can be empty.</summary>
    public int Start { get; }

    private int Here => _program.Count;

    private int Add(Instruction instruction)
    {
        if (_program.Count >= MaxInstructions)
        {
            throw new UserErrorException($"the pattern \"{_pattern}\" cannot be used: its repetitions make it too large");
        }

        _program.Add(instruction);
        return _program.Count - 1;
    }

    private int Bitmap(CodePointSet set)
    {
        string key = string.Join(',', set.Edges.ToArray());
        if (!_bitmapOfEdges.TryGetValue(key, out int index))
        {
            index = _bitmaps.Count;
            _bitmaps.Add(new CodePointBitmap(set));
            _bitmapOfEdges.Add(key, index);
        }

        return index;
    }

    private void Emit(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Set set:
                Add(set.Members.Single is var point && point >= 0
                    ? new Instruction(Operation.Character, point)
                    : new Instruction(Operation.Set, Bitmap(set.Members)));
                break;
            case PatternNode.Sequence sequence:
                foreach (PatternNode item in sequence.Items)
                {
                    Emit(item);
                }

                break;
            case PatternNode.Choice choice:
                EmitChoice(choice);
                break;
            case PatternNode.Repeat { Body: PatternNode.Set set } repeat:
                Add(new Instruction(
                    repeat.Lazy ? Operation.RepeatSetLazy : Operation.RepeatSet, Bitmap(set.Members), 0, repeat.Minimum, repeat.Maximum));
                break;
            case PatternNode.Repeat repeat:
                EmitRepeat(repeat);
                break;
            case PatternNode.Atomic { Body: PatternNode.Repeat { Body: PatternNode.Set set, Lazy: false } repeat }:
                Add(new Instruction(Operation.RepeatSetPossessive, Bitmap(set.Members), 0, repeat.Minimum, repeat.Maximum));
                break;
            case PatternNode.Atomic atomic:
                int cut = Registers++;
                Add(new Instruction(Operation.OpenCut, cut));
                Emit(atomic.Body);
                Add(new Instruction(Operation.Cut, cut));
                break;
            case PatternNode.Look { Behind: false, Body: PatternNode.Set set } look:
                Add(new Instruction(look.Negative ? Operation.NotAheadSet : Operation.AheadSet, Bitmap(set.Members)));
                break;
            case PatternNode.Look look:
                EmitLook(look);
                break;
            case PatternNode.Anchor anchor:
                Add(new Instruction(Operation.Anchor, (int)anchor.Kind));
                break;
            case Behind behind:
                Add(new Instruction(Operation.Back, behind.Width));
                break;
        }
    }

    private void EmitChoice(PatternNode.Choice choice)
    {
        List<int> exits = [];
        for (int i = 0; i < choice.Items.Count; i++)
        {
            if (i == choice.Items.Count - 1)
            {
                Emit(choice.Items[i]);
                break;
            }

            int split = EmitSplit(choice.Items[i]);
            Emit(choice.Items[i]);
            exits.Add(Add(new Instruction(Operation.Jump)));
            _program[split] = _program[split] with { X = Here };
        }

        foreach (int exit in exits)
        {
            _program[exit] = _program[exit] with { X = Here };
        }
    }

    // The guard spares an alternative that could only fail at its first code point.
    private int EmitSplit(PatternNode body)
    {
        (CodePointSet set, bool canBeEmpty) = First(body);
        return Add(new Instruction(Operation.Split, Y: canBeEmpty ? -1 : Bitmap(set)));
    }

    private void EmitRepeat(PatternNode.Repeat repeat)
    {
        for (int i = 0; i < repeat.Minimum; i++)
        {
            int before = Here;
            Emit(repeat.Body);
            if (Here == before)
            {
                // "(){100000}" and its like: nothing to do, however often.
                return;
            }
        }

        if (repeat.Maximum != PatternNode.Unlimited)
        {
            List<int> splits = [];
            for (int i = repeat.Minimum; i < repeat.Maximum; i++)
            {
                splits.Add(repeat.Lazy ? Add(new Instruction(Operation.SplitLazy)) : EmitSplit(repeat.Body));
                Emit(repeat.Body);
            }

            foreach (int split in splits)
            {
                _program[split] = _program[split] with { X = Here };
            }

            return;
        }

        bool canBeEmpty = First(repeat.Body).CanBeEmpty;
        int start = repeat.Lazy ? Add(new Instruction(Operation.SplitLazy)) : EmitSplit(repeat.Body);
        int mark = -1;
        if (canBeEmpty)
        {
            mark = Registers++;
            Add(new Instruction(Operation.Mark, mark));
        }

        Emit(repeat.Body);
        int leave = canBeEmpty ? Add(new Instruction(Operation.LeaveIfEmpty, mark)) : -1;
        Add(new Instruction(Operation.Jump, start));
        _program[start] = _program[start] with { X = Here };
        if (leave >= 0)
        {
            _program[leave] = _program[leave] with { Y = Here };
        }
    }

    private void EmitLook(PatternNode.Look look)
    {
        int cut = Registers++;
        Add(new Instruction(Operation.OpenCut, cut));
        if (look.Negative)
        {
            int split = Add(new Instruction(Operation.Split, Y: -1));
            EmitLookBody(look);
            Add(new Instruction(Operation.CutAndFail, cut));
            _program[split] = _program[split] with { X = Here };
            return;
        }

        int place = Registers++;
        Add(new Instruction(Operation.Mark, place));
        EmitLookBody(look);
        Add(new Instruction(Operation.Cut, cut));
        Add(new Instruction(Operation.Return, place));
    }

    private void EmitLookBody(PatternNode.Look look)
    {
        if (!look.Behind)
        {
            Emit(look.Body);
            return;
        }

        IReadOnlyList<PatternNode> branches = look.Body is PatternNode.Choice choice ? choice.Items : [look.Body];
        EmitChoice(new PatternNode.Choice(
        [
            .. branches.Select(branch => new PatternNode.Sequence([new Behind(Width(branch)), branch])),
        ]));
    }

    private int Width(PatternNode node)
    {
        int? width = FixedWidth(node);
        return width ?? throw new UserErrorException(
            $"the pattern \"{_pattern}\" cannot be used: a look-behind needs alternatives of fixed length");
    }

    private static int? FixedWidth(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Set:
                return 1;
            case PatternNode.Anchor or PatternNode.Look:
                return 0;
            case PatternNode.Atomic atomic:
                return FixedWidth(atomic.Body);
            case PatternNode.Repeat repeat when repeat.Minimum == repeat.Maximum && FixedWidth(repeat.Body) is { } width:
                return (int)Math.Min((long)width * repeat.Minimum, int.MaxValue / 2);
            case PatternNode.Sequence sequence:
                int? sum = 0;
                foreach (PatternNode item in sequence.Items)
                {
                    sum = sum is { } so && FixedWidth(item) is { } more ? (int)Math.Min((long)so + more, int.MaxValue / 2) : null;
                }

                return sum;
            case PatternNode.Choice choice:
                int? first = FixedWidth(choice.Items[0]);
                return choice.Items.All(item => FixedWidth(item) == first) ? first : null;
            default:
                return null;
        }
    }

    /// <summary>What a match of the node can begin with, and whether it can consume nothing.</summary>
    private static (CodePointSet Set, bool CanBeEmpty) First(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Set set:
                return (set.Members, false);
            case PatternNode.Sequence sequence:
                List<CodePointSet> starts = [];
                foreach (PatternNode item in sequence.Items)
                {
                    if (item is Behind)
                    {
                        return (CodePointSet.Empty, true);
                    }

                    (CodePointSet start, bool passes) = First(item);
                    starts.Add(start);
                    if (!passes)
                    {
                        return (CodePointSet.UnionOf(starts), false);
                    }
                }

                return (CodePointSet.UnionOf(starts), true);
            case PatternNode.Choice choice:
                List<(CodePointSet Set, bool CanBeEmpty)> branches = [.. choice.Items.Select(First)];
                return (CodePointSet.UnionOf([.. branches.Select(static b => b.Set)]), branches.Exists(static b => b.CanBeEmpty));
            case PatternNode.Repeat repeat:
                (CodePointSet body, bool empty) = First(repeat.Body);
                return repeat.Maximum == 0 ? (CodePointSet.Empty, true) : (body, empty || repeat.Minimum == 0);
            case PatternNode.Atomic atomic:
                return First(atomic.Body);
            default:
                return (CodePointSet.Empty, true);
        }
    }

    /// <summary>Steps back to where the body of a look-behind begins.</summary>
    private sealed record Behind(int Width) : PatternNode;
}
