using System.Runtime.CompilerServices;

namespace Conclave.Text;

/// <summary>What one rendering has used of its limits, and the clock it reads.</summary>
internal sealed class RenderState(TemplateLimits limits, TimeProvider clock)
{
    // Python stops at 1,000 frames; a macro call there takes about five.
    private const int MaxCalls = 200;
    private const int CharactersPerStep = 16;

    private long _steps;
    private int _calls;

    public TimeProvider Clock => clock;

    public int MaxLength => limits.MaxLength;

    /// <summary>The line of the statement that runs; errors are reported with it.</summary>
    public int Line { get; set; }

    public void Step(long count = 1)
    {
        _steps += count;
        if (_steps > limits.MaxSteps)
        {
            throw TemplateErrors.Limit($"the template did not end within {limits.MaxSteps} steps");
        }
    }

    /// <summary>Pays for reading or writing that many characters.</summary>
    public void Characters(long count) => Step(1 + count / CharactersPerStep);

    /// <summary>Refuses a string before it is built.</summary>
    public void CheckLength(long length)
    {
        if (length > limits.MaxLength)
        {
            throw TemplateErrors.Limit($"a string of {length} characters; at most {limits.MaxLength} are allowed");
        }

        Characters(length);
    }

    /// <summary>Refuses a list before it is built.</summary>
    public void CheckItems(long count)
    {
        if (count > limits.MaxSteps)
        {
            throw TemplateErrors.Limit($"a list of {count} items; at most {limits.MaxSteps} are allowed");
        }

        Step(count);
    }

    public StringValue Text(string text)
    {
        CheckLength(text.Length);
        return new StringValue(text);
    }

    public StringValue Text(string text, bool markup)
    {
        CheckLength(text.Length);
        return new StringValue(text, markup);
    }

    public void EnterCall()
    {
        if (++_calls > MaxCalls)
        {
            throw TemplateErrors.Recursion();
        }
    }

    public void LeaveCall() => _calls--;

    /// <summary>The stack is finite on whatever thread renders: every recursive walk asks before it goes deeper.</summary>
    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw TemplateErrors.Recursion();
        }
    }
}
