using Conclave.Primitives;

namespace Conclave.Checkpoints;

/// <summary>
/// Collects what is wrong with the tensors of a checkpoint, so that a person reads one list and not one tensor per attempt. Ask for every
/// tensor first, then call <see cref="ThrowIfAny"/>. May be used from several threads.
/// </summary>
/// <param name="where">What the list is about: the folder of the checkpoint.</param>
public sealed class CheckpointProblems(string where)
{
    private const int Listed = 20;

    private readonly Lock _lock = new();
    private readonly List<string> _problems = [];
    private readonly List<Func<string?>> _checks = [];
    private int _count;

    /// <summary>Notes a problem.</summary>
    public void Add(string problem)
    {
        lock (_lock)
        {
            _count++;
            if (_problems.Count < Listed)
            {
                _problems.Add(problem);
            }
        }
    }

    /// <summary>
    /// Runs the checks that were put off, in parallel, and throws if anything was wrong: at most 20 problems, then how many more.
    /// </summary>
    /// <exception cref="UserErrorException">There are problems.</exception>
    public void ThrowIfAny()
    {
        Func<string?>[] checks;
        lock (_lock)
        {
            checks = [.. _checks];
            _checks.Clear();
        }

        string?[] found = new string?[checks.Length];
        Parallel.For(0, checks.Length, i => found[i] = checks[i]());
        foreach (string problem in found.OfType<string>())
        {
            Add(problem);
        }

        if (_count == 0)
        {
            return;
        }

        IEnumerable<string> more = _count > _problems.Count ? [$"… and {_count - _problems.Count} more"] : [];
        throw new UserErrorException(
        [
            $"{where}: {_count} {(_count == 1 ? "problem" : "problems")} with its tensors:", .. _problems.Concat(more).Select(problem => $"  {problem}"),
        ]);
    }

    /// <summary>A check that touches file pages: it waits until they can be read in parallel.</summary>
    internal void Defer(Func<string?> check)
    {
        lock (_lock)
        {
            _checks.Add(check);
        }
    }
}
